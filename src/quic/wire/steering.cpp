#include "quic/wire/steering.hpp"

#include <cassert>

#include "quic/wire/connection_id.hpp"

namespace knul::quic {
namespace {

sock_filter jump(std::uint16_t condition, std::uint32_t operand, std::uint8_t if_true,
                 std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | BPF_K | condition), if_true, if_false, operand};
}

sock_filter statement(int code, std::uint32_t operand) {
  return {static_cast<std::uint16_t>(code), 0, 0, operand};
}

}  // namespace

std::vector<sock_filter> steering_program(unsigned workers) {
  assert(workers >= 1 && workers <= base::kMostWorkers);
  constexpr std::uint32_t kIdBytes = ConnectionIdCodec::kLength;

  // The lines that jumps go to. A load past the end would return 0, so line 1 checks the length.
  constexpr std::uint8_t kLong = 6, kV1 = 11, kV2 = 13, kIdLength = 15, kModulo = 18, kReturnNone = 20;
  // Jumps count from the following line.
  const auto to = [](std::uint8_t line, std::uint8_t target) {
    return static_cast<std::uint8_t>(target - line - 1);
  };
  return {
      /* 0 */ statement(BPF_LD | BPF_W | BPF_LEN, 0),
      /* 1 */ jump(BPF_JGE, 6 + kIdBytes, 0, to(1, kReturnNone)),
      /* 2 */ statement(BPF_LD | BPF_B | BPF_ABS, 0),
      /* 3 */ jump(BPF_JSET, 0x80, to(3, kLong), 0),
      /* 4 short header */ statement(BPF_LD | BPF_B | BPF_ABS, 1),
      /* 5 */ jump(BPF_JA, to(5, kModulo), 0, 0),  // takes its distance from the operand
      /* 6 long header */ statement(BPF_ALU | BPF_AND | BPF_K, 0x30),
      /* 7 */ statement(BPF_MISC | BPF_TAX, 0),
      /* 8 */ statement(BPF_LD | BPF_W | BPF_ABS, 1),
      /* 9 */ jump(BPF_JEQ, NGTCP2_PROTO_VER_V1, to(9, kV1), 0),
      /* 10 */ jump(BPF_JEQ, NGTCP2_PROTO_VER_V2, to(10, kV2), to(10, kReturnNone)),
      /* 11 */ statement(BPF_MISC | BPF_TXA, 0),
      /* 12 */ jump(BPF_JEQ, 0x20, to(12, kIdLength), to(12, kReturnNone)),
      /* 13 */ statement(BPF_MISC | BPF_TXA, 0),
      /* 14 */ jump(BPF_JEQ, 0x30, 0, to(14, kReturnNone)),
      /* 15 */ statement(BPF_LD | BPF_B | BPF_ABS, 5),
      /* 16 */ jump(BPF_JEQ, kIdBytes, 0, to(16, kReturnNone)),
      /* 17 */ statement(BPF_LD | BPF_B | BPF_ABS, 6),
      /* 18 */ statement(BPF_ALU | BPF_MOD | BPF_K, workers),
      /* 19 */ statement(BPF_RET | BPF_A, 0),
      /* 20 */ statement(BPF_RET | BPF_K, kNoWorker),
  };
}

// RFC 9000 §17.2.4; RFC 9369 §3.2 numbers the types differently.
bool has_local_id(std::uint8_t first_byte, const ngtcp2_version_cid& header) {
  if ((first_byte & 0x80) == 0) {
    return true;
  }
  const unsigned type = first_byte >> 4 & 0x3;
  const bool is_handshake = header.version == NGTCP2_PROTO_VER_V2 ? type == 3 : type == 2;
  return is_handshake && header.dcidlen == ConnectionIdCodec::kLength;
}

}  // namespace knul::quic
