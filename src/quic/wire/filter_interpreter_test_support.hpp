// Runs a steering program without a kernel.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace knul::quic {

// The program's result for this UDP payload, with the instructions of classic BPF that steering_program uses.
// Like the kernel's, a load past the end of the packet ends the program with 0. Nothing: an instruction is
// not known here, or the program runs past its own end.
inline std::optional<std::uint32_t> run_filter(std::span<const sock_filter> program,
                                               std::span<const std::uint8_t> packet) {
  std::uint32_t a = 0, x = 0;
  for (std::size_t line = 0; line < program.size(); ++line) {
    const auto [code, if_true, if_false, k] = program[line];
    const auto jump = [&, yes = if_true, no = if_false](bool condition) { line += condition ? yes : no; };
    const std::size_t load_bytes = BPF_SIZE(code) == BPF_B ? 1 : 4;
    switch (code) {
      case BPF_LD | BPF_W | BPF_LEN:
        a = static_cast<std::uint32_t>(packet.size());
        break;
      case BPF_LD | BPF_B | BPF_ABS:
      case BPF_LD | BPF_W | BPF_ABS:
        if (k + load_bytes > packet.size()) {
          return 0;
        }
        a = 0;
        for (const std::uint8_t byte : packet.subspan(k, load_bytes)) {
          a = a << 8 | byte;
        }
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= k;
        break;
      case BPF_ALU | BPF_MOD | BPF_K:
        a %= k;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_MISC | BPF_TXA:
        a = x;
        break;
      case BPF_JMP | BPF_JA:
        line += k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(a >= k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((a & k) != 0);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(a == k);
        break;
      case BPF_RET | BPF_A:
        return a;
      case BPF_RET | BPF_K:
        return k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace knul::quic
