// The types of frames (RFC 9000 §19, RFC 9221 §4).
#pragma once

#include <cstdint>

namespace knul::quic::frame {

constexpr std::uint64_t kPadding = 0x00;
constexpr std::uint64_t kPing = 0x01;
constexpr std::uint64_t kAck = 0x02;
constexpr std::uint64_t kAckEcn = 0x03;
constexpr std::uint64_t kResetStream = 0x04;
constexpr std::uint64_t kStopSending = 0x05;
constexpr std::uint64_t kCrypto = 0x06;
constexpr std::uint64_t kNewToken = 0x07;
constexpr std::uint64_t kMaxData = 0x10;
constexpr std::uint64_t kMaxStreamData = 0x11;
constexpr std::uint64_t kMaxStreamsBidi = 0x12;
constexpr std::uint64_t kMaxStreamsUni = 0x13;
constexpr std::uint64_t kDataBlocked = 0x14;
constexpr std::uint64_t kStreamDataBlocked = 0x15;
constexpr std::uint64_t kStreamsBlockedBidi = 0x16;
constexpr std::uint64_t kStreamsBlockedUni = 0x17;
constexpr std::uint64_t kNewConnectionId = 0x18;
constexpr std::uint64_t kRetireConnectionId = 0x19;
constexpr std::uint64_t kPathChallenge = 0x1a;
constexpr std::uint64_t kPathResponse = 0x1b;
constexpr std::uint64_t kConnectionClose = 0x1c;
constexpr std::uint64_t kApplicationClose = 0x1d;
constexpr std::uint64_t kHandshakeDone = 0x1e;
constexpr std::uint64_t kDatagram = 0x30;
constexpr std::uint64_t kDatagramWithLength = 0x31;

// STREAM frames have eight types, by these bits.
constexpr bool is_stream(std::uint64_t type) { return (type & ~std::uint64_t{0x07}) == 0x08; }
constexpr std::uint64_t kStreamHasFin = 0x01;
constexpr std::uint64_t kStreamHasLength = 0x02;
constexpr std::uint64_t kStreamHasOffset = 0x04;

}  // namespace knul::quic::frame
