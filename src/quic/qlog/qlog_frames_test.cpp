#include "quic/qlog/qlog_frames.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace knul::quic {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::string list_of(const Bytes& payload, bool* is_complete = nullptr) {
  std::string text = "[";
  QlogJson json(text);
  const bool all = append_frames(json, payload, 3);
  if (is_complete != nullptr) {
    *is_complete = all;
  }
  EXPECT_EQ(all || is_complete != nullptr, true) << "frames are missing";
  return text.substr(1);
}

TEST(QlogFrames, ShowTheFieldsOfEachType) {
  EXPECT_EQ(list_of({0x01}), R"({"frame_type":"ping"})");
  EXPECT_EQ(list_of({0x00, 0x00, 0x00}), R"({"frame_type":"padding","length":3,"payload_length":3})");
  EXPECT_EQ(list_of({0x04, 4, 7, 9}),
            R"({"frame_type":"reset_stream","stream_id":4,"error_code":7,"final_size":9})");
  EXPECT_EQ(list_of({0x05, 4, 7}), R"({"frame_type":"stop_sending","stream_id":4,"error_code":7})");
  EXPECT_EQ(list_of({0x06, 5, 2, 'a', 'b'}), R"({"frame_type":"crypto","offset":5,"length":2})");
  EXPECT_EQ(list_of({0x10, 0x40, 0x80}), R"({"frame_type":"max_data","maximum":128})");
  EXPECT_EQ(list_of({0x11, 4, 5}), R"({"frame_type":"max_stream_data","stream_id":4,"maximum":5})");
  EXPECT_EQ(list_of({0x13, 5}), R"({"frame_type":"max_streams","stream_type":"unidirectional","maximum":5})");
  EXPECT_EQ(list_of({0x14, 5}), R"({"frame_type":"data_blocked","limit":5})");
  EXPECT_EQ(list_of({0x15, 4, 5}), R"({"frame_type":"stream_data_blocked","stream_id":4,"limit":5})");
  EXPECT_EQ(list_of({0x16, 5}),
            R"({"frame_type":"streams_blocked","stream_type":"bidirectional","limit":5})");
  EXPECT_EQ(list_of({0x19, 5}), R"({"frame_type":"retire_connection_id","sequence_number":5})");
  EXPECT_EQ(list_of({0x1e}), R"({"frame_type":"handshake_done"})");
  EXPECT_EQ(list_of({0x31, 2, 'a', 'b', 0x30, 'c'}),
            R"({"frame_type":"datagram","length":2},{"frame_type":"datagram","length":1})");
}

TEST(QlogFrames, ShowTheOffsetAndLengthOfStreamData) {
  EXPECT_EQ(
      list_of({0x0f, 4, 9, 2, 'a', 'b', 0x01}),
      R"({"frame_type":"stream","stream_id":4,"offset":9,"length":2,"fin":true},{"frame_type":"ping"})");
  EXPECT_EQ(list_of({0x08, 4, 'a', 'b', 'c'}),
            R"({"frame_type":"stream","stream_id":4,"offset":0,"length":3})");
}

TEST(QlogFrames, ShowTheRangesOfAcknowledgements) {
  // Largest 9, delay 2 << 3 us, two further ranges: 9 to 8, 5, 2 to 0.
  EXPECT_EQ(
      list_of({0x03, 9, 2, 2, 1, 1, 0, 1, 2, 3, 4, 5}),
      R"({"frame_type":"ack","ack_delay":0.016,"acked_ranges":[[8,9],[5],[0,2]],"ect0":3,"ect1":4,"ce":5})");
}

TEST(QlogFrames, ShowNoTokensAndNoChallenges) {
  const Bytes secret(16, 0xab);
  const auto with_secret = [&](Bytes frame, std::size_t count) {
    frame.insert(frame.end(), secret.begin(), secret.begin() + static_cast<std::ptrdiff_t>(count));
    return list_of(frame);
  };
  EXPECT_EQ(with_secret({0x07, 8}, 8), R"({"frame_type":"new_token","token":{"length":8}})");
  EXPECT_EQ(with_secret({0x1a}, 8), R"({"frame_type":"path_challenge"})");
  EXPECT_EQ(with_secret({0x1b}, 8), R"({"frame_type":"path_response"})");
  EXPECT_EQ(with_secret({0x18, 1, 0, 2, 0x12, 0x34}, 16),
            R"({"frame_type":"new_connection_id","sequence_number":1,"retire_prior_to":0,)"
            R"("connection_id_length":2,"connection_id":"1234"})");
}

TEST(QlogFrames, EscapeAndCutTheReasonOfAClose) {
  EXPECT_EQ(list_of({0x1c, 0x0a, 6, 5, 'a', '"', '\n', 0xff, '\\'}),
            R"({"frame_type":"connection_close","error_space":"transport","error_code":"protocol_violation",)"
            R"("raw_error_code":10,"trigger_frame_type":6,"reason":"a\u0022\u000a\u00ff\u005c"})");
  Bytes frame{0x1d, 7, 0x44, 0x00};
  frame.insert(frame.end(), 1'024, 'x');
  const std::string text = list_of(frame);
  EXPECT_EQ(
      text,
      R"({"frame_type":"connection_close","error_space":"application","error_code":7,"raw_error_code":7,)"
      R"("reason":")" +
          std::string(QlogJson::kMostForeignBytes, 'x') + R"(\u2026"})");
}

TEST(QlogFrames, OfAFloodAreBoundedAndReportedAsIncomplete) {
  bool is_complete = true;
  EXPECT_LT(list_of(Bytes(60'000, 0x01), &is_complete).size(), 64U * kMostQlogFrames);
  EXPECT_FALSE(is_complete);
  Bytes ranges{0x02, 0x80, 0x01, 0x00, 0x00, 0, 0x50, 0x00, 0};
  ranges.resize(9 + 2 * 0x1000, 0);
  EXPECT_LT(list_of(ranges, &is_complete).size(), 32U * kMostQlogAckRanges);
  EXPECT_FALSE(is_complete);
}

TEST(QlogFrames, ThatCannotBeReadAreReportedAsIncomplete) {
  for (const Bytes& payload :
       {Bytes{0x06, 0, 9, 'a'}, Bytes{0x0a, 4}, Bytes{0x02, 3, 0, 0, 4}, Bytes{0x40},
        Bytes{0x02, 3, 0, 1, 0, 9, 0}, Bytes{0x1c, 0, 0, 0x40}, Bytes{0x07, 2, 1}, Bytes{0x3f}}) {
    bool is_complete = true;
    const std::string text = list_of(payload, &is_complete);
    EXPECT_FALSE(is_complete) << text;
    EXPECT_TRUE(text.ends_with('}')) << text;
  }
}

}  // namespace
}  // namespace knul::quic
