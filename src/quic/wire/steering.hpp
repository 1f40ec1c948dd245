// Which packets name the worker of their connection: as a classic BPF program for the kernel, which spreads
// the datagrams of one address over the sockets of a reuseport group, and for the endpoint.
#pragma once

#include <linux/filter.h>
#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <vector>

namespace knul::quic {

// The program's result when the packet names no worker: the kernel then uses its own hash of the addresses.
// The program does not use the receive hash instead, because on loopback that hash sends every Initial to
// worker 0.
inline constexpr std::uint32_t kNoWorker = 0xffffffff;

// The rule, on the UDP payload (offsets in bytes, L is ConnectionIdCodec::kLength):
//   shorter than 6 + L                                         no worker
//   byte 0 below 0x80 (short header)                           byte 1 modulo workers
//   byte 0 & 0x30 == 0x20 and bytes 1-4 == 0x00000001          }  a Handshake packet; if byte 5 (length of
//   byte 0 & 0x30 == 0x30 and bytes 1-4 == 0x6b3343cf          }  the id) is L: byte 6 modulo workers
//   everything else                                            no worker
// The results are numbers of workers in the order in which their sockets joined the group.
// 1 <= workers <= base::kMostWorkers.
[[nodiscard]] std::vector<sock_filter> steering_program(unsigned workers);

// True for a packet with a destination connection ID that this side chose: a packet with a short header, or a
// Handshake packet. `header` is ngtcp2's result for the packet.
[[nodiscard]] bool has_local_id(std::uint8_t first_byte, const ngtcp2_version_cid& header);

}  // namespace knul::quic
