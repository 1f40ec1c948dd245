// Checks and copies FfiQuicConfig.
#pragma once

#include <krepis/krepis.h>

#include <krepis/krepis.hpp>

namespace knul::abi {

// Errors: kInvalidPointer, kMemoryAlignment (then nothing was read), kInvalidRequest. QuicServer::start
// checks the values, such as the address in host_addr.
krepis::Result<krepis::ServerOptions> read_config(const FfiQuicConfig* config);

}  // namespace knul::abi
