// FfiQuicConfig, checked and copied.
#pragma once

#include <krepis/krepis.h>

#include <krepis/krepis.hpp>

namespace knul::abi {

// Errors: kInvalidPointer, kMemoryAlignment (then nothing was read), kInvalidRequest. What needs no pointer
// checks (is host_addr an address?) is left to QuicServer::start.
krepis::Result<krepis::ServerOptions> read_config(const FfiQuicConfig* config);

}  // namespace knul::abi
