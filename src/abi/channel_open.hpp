// Opening and unmapping channels behind the C ABI. All may throw; the caller is call_guard.hpp.
#pragma once

#include <krepis/krepis.h>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse open_channel(Process& process, std::uint64_t server, const FfiChannelConfig* config,
                         FfiChannelRegion* region);
FfiResponse unmap_channel(Process& process, std::uint32_t handle);

// The answer for a handle that no channel has.
FfiResponse unknown_channel(std::uint32_t handle);

}  // namespace knul::abi
