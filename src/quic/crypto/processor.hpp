// The instructions of this processor that packet protection uses.
#pragma once

#include <string>

namespace knul::quic {

struct Processor {
  bool is_known = false;          // false: not an x86-64 processor
  bool has_aes = false;           // AES and carry-less multiplication, one block per instruction
  bool has_vaes = false;          // AVX512 with VAES and VPCLMULQDQ: four blocks per instruction
  std::string instructions = {};  // "AES PCLMULQDQ AVX2 ..."
};

// Thread: any.
[[nodiscard]] Processor processor();

}  // namespace knul::quic
