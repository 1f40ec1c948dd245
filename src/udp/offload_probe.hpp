// Sends packets over loopback to see which features of UDP sockets work here: what a kernel accepts and what
// it does can differ.
#pragma once

#include "base/result.hpp"
#include "udp/udp_socket.hpp"

namespace knul::udp {

struct OffloadProbe {
  bool gso = false;  // the kernel cut one message into its datagrams
  bool gro = false;  // the kernel delivered several datagrams as one message with their size
  bool ecn = false;  // marks of sent packets arrived
  BufferSize send_buffer;
  BufferSize receive_buffer;
};

// Uses the buffers and offloads of `wanted`, on ports of its own. A feature that `wanted` switches off is
// false. Errors: as UdpSocket::open, and kNetwork: no packet arrives on loopback. Blocks: two seconds at
// most.
[[nodiscard]] base::Result<OffloadProbe> probe_offloads(const SocketOptions& wanted, base::LogSink& log,
                                                        SocketCalls& calls = SocketCalls::system());

}  // namespace knul::udp
