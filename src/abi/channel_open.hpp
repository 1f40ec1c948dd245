// Channels of the C ABI: open, unmap, log. All functions may throw, because call_guard.hpp calls them.
#pragma once

#include <krepis/krepis.h>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse open_channel(Process& process, std::uint64_t server, const FfiChannelConfig* config,
                         FfiChannelRegion* region);
FfiResponse unmap_channel(Process& process, std::uint32_t handle);
FfiResponse set_channel_log(Process& process, std::uint32_t handle, std::uint32_t enabled);

// The error for a handle that does not name a channel.
FfiResponse unknown_channel(std::uint32_t handle);

}  // namespace knul::abi
