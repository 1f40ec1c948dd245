// The qlog of foreign bytes: a header, frames and a text that a peer chose. What comes out is JSON of bounded
// size, with whole packet numbers; a list that says that it is complete has every frame of the scanner.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "input.hpp"
#include "quic/qlog/packet_header.hpp"
#include "quic/qlog/qlog_frames.hpp"
#include "quic/wire/frame_scanner.hpp"

namespace {

using namespace knul;

constexpr std::size_t kLargestFrame = 1'024;  // as JSON: a reason of 256 bytes, each escaped by six

void list_frames(const fuzz::Bytes& payload, std::uint8_t exponent) {
  std::string text = "[";
  quic::QlogJson json(text);
  const bool is_complete = quic::append_frames(json, payload, exponent);
  text += "]";
  FUZZ_CHECK(text.size() <= quic::kMostQlogFrames * (2 * kLargestFrame + 48 * quic::kMostQlogAckRanges));
  const auto frames = nlohmann::json::parse(text, nullptr, false);
  FUZZ_CHECK(frames.is_array() && frames.size() <= quic::kMostQlogFrames);
  std::size_t listed_stops = 0;
  bool has_close = false;  // where the scanner ends
  for (const auto& frame : frames) {
    FUZZ_CHECK(frame.contains("frame_type"));
    listed_stops += frame["frame_type"] == "stop_sending" ? 1 : 0;
    has_close = has_close || frame["frame_type"] == "connection_close";
  }
  if (is_complete && !has_close) {
    std::vector<quic::StopSending> stops;
    quic::ResendWatch acks;
    // The scanner counts the ranges of an ACK as frames, too.
    FUZZ_CHECK(frames.size() <= quic::scan_frames(payload, stops, acks).count);
    FUZZ_CHECK(listed_stops == stops.size());
  }
}

void read_packet(const fuzz::Bytes& bytes, std::uint64_t expected) {
  const quic::PacketHeader header = quic::read_header(bytes);
  FUZZ_CHECK(header.dcid.size() + header.scid.size() <= bytes.size());
  const std::uint64_t number = quic::whole_number(header, expected);
  const std::uint64_t window = std::uint64_t{1} << (header.number_bytes * 8);
  FUZZ_CHECK(header.number_bytes == 0 || number % window == header.packet_number);
  FUZZ_CHECK(number <= expected + window && expected <= number + window);
}

void show_text(const fuzz::Bytes& bytes) {
  std::string text;
  quic::QlogJson(text)
      .begin('{')
      .foreign("text", {reinterpret_cast<const char*>(bytes.data()), bytes.size()})
      .end('}');
  const auto shown = nlohmann::json::parse(text, nullptr, false);
  FUZZ_CHECK(shown.is_object() && text.size() <= 6 * quic::QlogJson::kMostForeignBytes + 32);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t exponent = input.byte() % 21;
  const std::uint64_t expected = std::uint64_t{input.byte()} << (input.byte() % 54);
  const auto left = input.rest();
  const fuzz::Bytes rest(left.begin(), left.end());
  list_frames(rest, exponent);
  read_packet(rest, expected);
  show_text(rest);
  return 0;
}
