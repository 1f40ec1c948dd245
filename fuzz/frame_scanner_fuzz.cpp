// The frame scanner: ends on anything, reads nothing but its bytes, and finds every STOP_SENDING of a payload
// that the input puts together from well-formed frames.
#include "quic/wire/frame_scanner.hpp"

#include "input.hpp"

namespace {

using namespace knul;

std::vector<quic::StopSending> scan(const fuzz::Bytes& payload) {
  std::vector<quic::StopSending> found;
  quic::ResendWatch acks;
  const quic::PacketFrames frames = quic::scan_frames(payload, found, acks);
  FUZZ_CHECK(found.size() <= frames.count && frames.count <= payload.size());
  return found;
}

// Writes frames of RFC 9000 §19 with values that the input decides.
class FrameWriter {
 public:
  explicit FrameWriter(fuzz::Input& input) : input_(input) {}

  // Behind a frame without a length there is nothing more to find.
  bool write() {
    static constexpr std::uint8_t kTypes[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a,
                                              0x0e, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                              0x18, 0x19, 0x1a, 0x1b, 0x1e, 0x31, 0x08, 0x30};
    const std::uint8_t type = kTypes[input_.byte() % std::size(kTypes)];
    payload.push_back(type);
    if (type == 0x05) {
      const auto id = static_cast<std::int64_t>(number());
      expected.push_back({id, number()});
    } else if (type == 0x02 || type == 0x03) {
      acknowledge(type == 0x03);
    } else {
      numbers(leading_numbers(type));
      data(type);
    }
    return type != 0x08 && type != 0x30;
  }

  fuzz::Bytes payload;
  std::vector<quic::StopSending> expected;

 private:
  static int leading_numbers(std::uint8_t type) {
    switch (type) {
      case 0x04:
        return 3;
      case 0x11:
      case 0x15:
      case 0x18:
      case 0x0e:
        return 2;
      case 0x06:
      case 0x08:
      case 0x0a:
      case 0x10:
      case 0x12:
      case 0x13:
      case 0x14:
      case 0x16:
      case 0x17:
      case 0x19:
        return 1;
      default:
        return 0;
    }
  }
  void acknowledge(bool has_ecn) {
    numbers(2);
    const std::uint8_t ranges = input_.byte() % 8;
    payload.push_back(ranges);
    numbers(1 + 2 * ranges + (has_ecn ? 3 : 0));
  }
  void data(std::uint8_t type) {
    std::size_t length = 0;
    if (type == 0x1a || type == 0x1b) {
      length = 8;
    } else if (type == 0x08 || type == 0x30) {
      length = input_.byte() % 64;
    } else if (type == 0x06 || type == 0x07 || type == 0x0a || type == 0x0e || type == 0x18 || type == 0x31) {
      length = input_.byte() % 64;
      payload.push_back(static_cast<std::uint8_t>(length));
      length += type == 0x18 ? 16 : 0;
    }
    for (std::size_t i = 0; i < length; ++i) {
      payload.push_back(input_.byte());
    }
  }
  void numbers(int count) {
    for (int i = 0; i < count; ++i) {
      number();
    }
  }
  // A varint in any of its four lengths. RFC 9000 §16.
  std::uint64_t number() {
    const unsigned log_length = input_.byte() % 4;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 1U << log_length; ++i) {
      const std::uint8_t byte = i == 0 ? input_.byte() & 0x3f : input_.byte();
      payload.push_back(static_cast<std::uint8_t>(i == 0 ? byte | log_length << 6 : byte));
      value = value << 8 | byte;
    }
    return value;
  }

  fuzz::Input& input_;
};

// `found` is the beginning of `expected`.
void check_found(const std::vector<quic::StopSending>& found,
                 const std::vector<quic::StopSending>& expected) {
  FUZZ_CHECK(found.size() <= expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    FUZZ_CHECK(found[i].stream_id == expected[i].stream_id && found[i].code == expected[i].code);
  }
}

void scan_well_formed(fuzz::Input input) {
  const std::size_t cut = input.byte();
  FrameWriter writer(input);
  while (!input.is_empty() && writer.write()) {
  }
  const std::vector<quic::StopSending> found = scan(writer.payload);
  FUZZ_CHECK(found.size() == writer.expected.size());
  check_found(found, writer.expected);
  // A frame that was cut short is not there.
  writer.payload.resize(writer.payload.size() - std::min(cut, writer.payload.size()));
  check_found(scan(writer.payload), writer.expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = scan(fuzz::Bytes(data, data + size));
  FUZZ_CHECK(found.size() <= size / 3);
  for (const quic::StopSending& frame : found) {
    FUZZ_CHECK(frame.stream_id >= 0 && frame.stream_id < std::int64_t{1} << 62);
  }
  scan_well_formed(fuzz::Input(data, size));
  return 0;
}
