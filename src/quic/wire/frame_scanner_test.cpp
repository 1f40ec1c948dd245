#include "quic/wire/frame_scanner.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <random>

namespace knul::quic {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<StopSending> scan(const Bytes& payload) {
  std::vector<StopSending> found;
  ResendWatch acks;
  scan_frames(payload, found, acks);
  return found;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Bytes kStopSending4With7{0x05, 0x04, 0x07};

TEST(FrameScanner, FindsStopSendingBehindEveryOtherFrame) {
  const std::vector<Bytes> others = {
      {0x00, 0x00},                                               // PADDING
      {0x01},                                                     // PING
      {0x02, 0x40, 0x64, 0x00, 0x01, 0x02, 0x03, 0x04},           // ACK with one more range
      {0x03, 0x05, 0x00, 0x00, 0x05, 0x01, 0x02, 0x03},           // ACK with ECN counts
      {0x04, 0x08, 0x01, 0x09},                                   // RESET_STREAM
      {0x06, 0x00, 0x02, 0x05, 0x05},                             // CRYPTO
      {0x0e, 0x08, 0x05, 0x02, 0x05, 0x05},                       // STREAM with offset and length
      {0x0a, 0x08, 0x01, 0x05},                                   // STREAM with length
      {0x0e, 0x08, 0xc0, 5, 5, 5, 5, 5, 5, 5, 0x40, 0x01, 0x05},  // STREAM, with integers of 8 and 2 bytes
      {0x10, 0x80, 0x00, 0x00, 0x05},
      {0x11, 0x00, 0x05},  // MAX_DATA, MAX_STREAM_DATA
      {0x18, 0x01, 0x00, 0x04, 5, 5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
      {0x1a, 5, 5, 5, 5, 5, 5, 5, 5},  // PATH_CHALLENGE
      {0x31, 0x02, 0x05, 0x05},        // DATAGRAM with length
  };
  for (const Bytes& other : others) {
    SCOPED_TRACE("behind frame type " + std::to_string(other[0]));
    const std::vector<StopSending> found = scan(other + kStopSending4With7);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].stream_id, 4);
    EXPECT_EQ(found[0].code, 7U);
    for (std::size_t length = 1; length < other.size(); ++length) {
      EXPECT_TRUE(scan(Bytes(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(length))).empty());
    }
  }
}

TEST(FrameScanner, FindsStopSendingBehindMuchPadding) {
  EXPECT_EQ(scan(Bytes(1'000, 0x00) + kStopSending4With7).size(), 1U);
}

TEST(FrameScanner, DoesNotLookIntoStreamDataThatFillsThePacket) {
  EXPECT_TRUE(scan(Bytes{0x08, 0x00} + kStopSending4With7).empty());
}

// RFC 9000 §16. `length` is 1, 2, 4 or 8 bytes.
Bytes varint(std::uint64_t value, unsigned length) {
  Bytes bytes(length);
  for (std::size_t i = length; i > 0; --i) {
    bytes[i - 1] = static_cast<std::uint8_t>(value);
    value >>= 8;
  }
  bytes[0] = static_cast<std::uint8_t>(bytes[0] | std::countr_zero(length) << 6);
  return bytes;
}

TEST(FrameScanner, ReadsIntegersOfEveryLengthAndNothingOfThoseCutShort) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const unsigned id_length : {1U, 2U, 4U, 8U}) {
    for (const unsigned code_length : {1U, 2U, 4U, 8U}) {
      const std::uint64_t id = random() >> (66 - 8 * id_length);
      const std::uint64_t code = random() >> (66 - 8 * code_length);
      const Bytes frame = Bytes{0x05} + varint(id, id_length) + varint(code, code_length);
      const std::vector<StopSending> found = scan(frame);
      ASSERT_EQ(found.size(), 1U);
      EXPECT_EQ(found[0].stream_id, static_cast<std::int64_t>(id));
      EXPECT_EQ(found[0].code, code);
      for (std::size_t length = 0; length < frame.size(); ++length) {
        EXPECT_TRUE(scan(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length))).empty());
      }
    }
  }
}

PacketFrames frames_of(const Bytes& payload) {
  std::vector<StopSending> stops;
  ResendWatch acks;
  return scan_frames(payload, stops, acks);
}

TEST(FrameScanner, CountsFramesARunOfPaddingAsOneAndLongAcksAsSeveral) {
  EXPECT_EQ(frames_of({}).count, 0U);
  EXPECT_EQ(frames_of(Bytes(500, 0x01)).count, 500U);
  EXPECT_EQ(frames_of(Bytes(500, 0x00)).count, 1U);
  EXPECT_EQ(frames_of(Bytes{0x01, 0x00, 0x00, 0x01, 0x00}).count, 4U);
  EXPECT_EQ(frames_of(kStopSending4With7 + kStopSending4With7 + Bytes{0x11, 0x04, 0x09}).count, 3U);
  EXPECT_EQ(frames_of(Bytes{0x08, 0x04} + Bytes(100, 0x01)).count, 1U) << "what follows is stream data";
  EXPECT_EQ(frames_of(Bytes{0x02, 0x3f, 0x00, 0x03, 0x00} + Bytes(6, 0x00)).count, 1U);
  EXPECT_EQ(frames_of(Bytes{0x02, 0x3f, 0x00, 0x20, 0x00} + Bytes(64, 0x00)).count, 1U + 4U);
  // The ACK claims more ranges than there are bytes.
  EXPECT_EQ(frames_of(Bytes{0x02, 0x3f, 0x00, 0xbf, 0xff, 0xff, 0xff, 0x00} + Bytes(16, 0x00)).count,
            1U + 1U);
}

TEST(FrameScanner, SeesCryptoFramesBehindOthersAndNothingElseThatLooksLikeOne) {
  EXPECT_TRUE(frames_of({0x06, 0x40, 0x64, 0x01, 0x00}).has_crypto);
  EXPECT_TRUE(frames_of(kStopSending4With7 + Bytes{0x01, 0x06, 0x00, 0x00}).has_crypto) << "an empty one";
  EXPECT_FALSE(frames_of(Bytes{0x0a, 0x04, 0x03, 0x06, 0x00, 0x00} + kStopSending4With7).has_crypto);
  EXPECT_FALSE(frames_of(Bytes{0x02, 0x06, 0x06, 0x00, 0x06}).has_crypto);
}

TEST(FrameScanner, IgnoresATruncatedFrame) {
  EXPECT_TRUE(scan({0x05}).empty());
  EXPECT_TRUE(scan({0x05, 0x04}).empty());
  EXPECT_TRUE(scan({0x05, 0x80, 0x00}).empty());
  EXPECT_TRUE(scan({0x05, 0x04, 0x80, 0x00}).empty());
}

TEST(FrameScanner, EndsOnRandomBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    Bytes payload(random() % 64);
    for (auto& byte : payload)
      byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() % 0x32 : random());
    EXPECT_LE(scan(payload).size(), payload.size() / 3);
  }
}

// Frames as the library writes them, with their stream bytes and resets.
struct Packet {
  Bytes payload;
  SentFrames expected;
};

Packet random_packet(std::mt19937_64& random) {
  const auto number = [&] { return varint(random() % 60, 1U << random() % 4); };
  Packet packet;
  const auto add_stream = [&](bool has_length) {
    const std::uint64_t bytes = random() % 3 == 0 ? random() % 20'000 : random() % 300;
    const auto type = static_cast<std::uint8_t>(0x08 | (random() & 0x05) | (has_length ? 0x02 : 0));
    Bytes frame = Bytes{type} + number();
    if ((type & 0x04) != 0) {
      frame = frame + number();
    }
    if (has_length) {
      frame = frame + varint(bytes, bytes < 64 ? 1 : bytes < 16'384 ? 2 : 4);
    }
    packet.payload = packet.payload + frame + Bytes(bytes, static_cast<std::uint8_t>(random()));
    packet.expected.stream_bytes += bytes;
  };
  for (std::uint64_t frames = random() % 6; frames > 0; --frames) {
    switch (random() % 6) {
      case 0: {
        const std::uint64_t ranges = random() % 3;
        packet.payload = packet.payload + Bytes{0x02} + number() + number() + varint(ranges, 1) + number();
        for (std::uint64_t i = 0; i < 2 * ranges; ++i) {
          packet.payload = packet.payload + number();
        }
        break;
      }
      case 1:
        packet.payload = packet.payload + Bytes{0x04} + number() + number() + number();
        ++packet.expected.resets;
        break;
      case 2:
        packet.payload = packet.payload + Bytes{0x11} + number() + number();  // MAX_STREAM_DATA
        break;
      default:
        add_stream(true);
    }
  }
  if (random() % 4 == 0) {
    add_stream(false);
  }
  return packet;
}

TEST(FrameScanner, CountsStreamBytesAndResetsOfWhateverTheLibrarySends) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto cut = [&](std::size_t length) {
    return static_cast<std::ptrdiff_t>(length == 0 ? 0 : random() % length);
  };
  for (int round = 0; round < 5'000; ++round) {
    const Packet packet = random_packet(random);
    const SentFrames found = scan_sent_frames(packet.payload);
    ASSERT_EQ(found.stream_bytes, packet.expected.stream_bytes);
    ASSERT_EQ(found.resets, packet.expected.resets);
    // AddressSanitizer finds a read beyond the end of a part.
    (void)scan_sent_frames(
        Bytes(packet.payload.begin(), packet.payload.begin() + cut(packet.payload.size())));
  }
}

}  // namespace
}  // namespace knul::quic
