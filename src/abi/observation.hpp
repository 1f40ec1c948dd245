// What the C ABI tells about servers. All may throw; the caller is call_guard.hpp.
#pragma once

#include <krepis/krepis.h>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse stats(Process& process, std::uint64_t handle);
FfiResponse metrics(Process& process, std::uint64_t handle);
FfiResponse connections(Process& process, std::uint64_t handle);
FfiResponse info(Process& process, std::uint64_t handle);
FfiResponse list(Process& process);
FfiResponse settings(Process& process);

}  // namespace knul::abi
