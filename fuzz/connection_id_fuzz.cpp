// The connection ID codec, the endpoint's reading of packets and the kernel's steering program must name the
// same worker. The program runs in an interpreter here, so that no socket is needed.
#include <ngtcp2/ngtcp2.h>

#include "input.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/filter_interpreter_test_support.hpp"
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

void append(fuzz::Bytes& to, std::span<const std::uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned workers = 1 + input.byte() % base::kMostWorkers;
  const quic::ConnectionIdCodec codec(input.byte() % workers, workers);
  InputRandom random(input);
  const quic::ConnectionId id = codec.generate(random);
  const auto program = quic::steering_program(workers);
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
    FUZZ_CHECK(quic::run_filter(program, *packet) == codec.worker());
  }

  // Any packet: the program names a worker where the endpoint takes the ID for one of ours, and the same one.
  const auto rest = input.rest();
  const fuzz::Bytes packet(rest.begin(), rest.end());
  const std::optional<std::uint32_t> steered = quic::run_filter(program, packet);
  FUZZ_CHECK(steered.has_value());
  ngtcp2_version_cid header;
  if (packet.empty() || ngtcp2_pkt_decode_version_cid(&header, packet.data(), packet.size(),
                                                      quic::ConnectionIdCodec::kLength) != 0) {
    return 0;
  }
  const bool is_known =
      packet[0] < 0x80 || header.version == NGTCP2_PROTO_VER_V1 || header.version == NGTCP2_PROTO_VER_V2;
  const bool is_long_enough = packet.size() >= 6 + quic::ConnectionIdCodec::kLength;
  const bool is_ours = is_known && is_long_enough && quic::has_local_id(packet[0], header);
  FUZZ_CHECK(is_ours == (*steered != quic::kNoWorker));
  FUZZ_CHECK(!is_ours || codec.worker_of({header.dcid, header.dcidlen}) == *steered);
  return 0;
}
