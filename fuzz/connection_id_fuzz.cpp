// The connection ID codec, the endpoint's reading of packets and the kernel's steering program must name the
// same worker. The program runs in an interpreter here, so that no socket is needed.
#include <ngtcp2/ngtcp2.h>

#include "input.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/steering.hpp"

namespace {

using namespace knul;

class InputRandom final : public base::RandomSource {
 public:
  explicit InputRandom(fuzz::Input& input) : input_(input) {}
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) {
      byte = input_.byte();
    }
  }

 private:
  fuzz::Input& input_;
};

// What the program uses of classic BPF; a load past the end ends it with 0, as in the kernel.
std::uint32_t run(std::span<const sock_filter> program, std::span<const std::uint8_t> packet) {
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
        for (std::size_t i = 0; i < load_bytes; ++i) {
          a = a << 8 | packet[k + i];
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
        FUZZ_CHECK(false && "an instruction that the interpreter does not know");
    }
  }
  FUZZ_CHECK(false && "the program runs past its end");
  return 0;
}

void append(fuzz::Bytes& to, std::span<const std::uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned workers = 1 + input.byte() % 128U;
  const quic::ConnectionIdCodec codec(input.byte() % workers, workers);
  InputRandom random(input);
  const quic::ConnectionId id = codec.generate(random);
  const auto program = quic::steering_program({quic::ConnectionIdCodec::kLength, workers});
  FUZZ_CHECK(id.bytes().size() == quic::ConnectionIdCodec::kLength);
  FUZZ_CHECK(codec.worker_of(id.bytes()) == codec.worker());

  // Packets of the connection with this ID.
  const std::uint8_t bits = input.byte();
  fuzz::Bytes short_packet{static_cast<std::uint8_t>(bits & 0x7f)};
  fuzz::Bytes v1{
      static_cast<std::uint8_t>(0xe0 | (bits & 0xf)), 0, 0, 0, 1, quic::ConnectionIdCodec::kLength};
  fuzz::Bytes v2{static_cast<std::uint8_t>(0xf0 | (bits & 0xf)),
                 0x6b,
                 0x33,
                 0x43,
                 0xcf,
                 quic::ConnectionIdCodec::kLength};
  for (fuzz::Bytes* packet : {&short_packet, &v1, &v2}) {
    append(*packet, id.bytes());
    packet->resize(packet->size() + 5 + bits % 64U);
    FUZZ_CHECK(run(program, *packet) == codec.worker());
  }

  // Any packet: a worker that the program names is the one that the endpoint finds.
  const auto rest = input.rest();
  const fuzz::Bytes packet(rest.begin(), rest.end());
  const std::uint32_t steered = run(program, packet);
  ngtcp2_version_cid header;
  if (steered != quic::kNoWorker && ngtcp2_pkt_decode_version_cid(&header, packet.data(), packet.size(),
                                                                  quic::ConnectionIdCodec::kLength) == 0) {
    FUZZ_CHECK(steered < workers);
    FUZZ_CHECK(codec.worker_of({header.dcid, header.dcidlen}) == steered);
  }
  return 0;
}
