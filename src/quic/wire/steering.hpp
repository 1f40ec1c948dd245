// The classic BPF program that spreads the datagrams of one address over the sockets of a reuseport
// group, so that all packets of a connection reach the worker that made its connection ID.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace knul::quic {

struct SteeringLayout {
  std::size_t connection_id_bytes = 8;  // 1 to 20, of every id that a worker issues
  std::size_t workers = 1;              // 1 to 256, in the order in which the sockets joined
};

// The program's result when the packet names no worker: the kernel then takes its own hash of the
// addresses. Never the receive hash: on loopback that sent every Initial to worker 0.
inline constexpr std::uint32_t kNoWorker = 0xffffffff;

// The rule, on the UDP payload (offsets in bytes):
//   shorter than 6 + connection_id_bytes                       no worker
//   byte 0 below 0x80 (short header)                           byte 1 modulo workers
//   byte 0 & 0x30 == 0x20 and bytes 1-4 == 0x00000001          }  a Handshake packet; if byte 5 (length of
//   byte 0 & 0x30 == 0x30 and bytes 1-4 == 0x6b3343cf          }  the id) is connection_id_bytes:
//                                                              }  byte 6 modulo workers
//   everything else                                            no worker
[[nodiscard]] std::vector<sock_filter> steering_program(SteeringLayout layout);

}  // namespace knul::quic
