// The reports of the C ABI about servers. All functions may throw, because call_guard.hpp calls them.
#pragma once

#include <krepis/krepis.h>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse stats(Process& process, std::uint64_t handle);
FfiResponse metrics(Process& process, std::uint64_t handle);
FfiResponse connections(Process& process, std::uint64_t handle);
FfiResponse connections_json(Process& process, std::uint64_t handle, const char* query, std::size_t length);
FfiResponse info(Process& process, std::uint64_t handle);
FfiResponse list(Process& process);
FfiResponse settings(Process& process);

}  // namespace knul::abi
