#include "quic/qlog/connection_qlog.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace knul::quic {
namespace {

using base::QlogOutcome;

struct Texts {
  std::vector<std::string> records = {};
  std::string last = {};
  QlogOutcome outcome = QlogOutcome::kAccepted;
};

class TextFile final : public base::QlogFile {
 public:
  explicit TextFile(Texts& texts) : texts_(texts) {}
  QlogOutcome write(std::string_view record) noexcept override {
    if (texts_.outcome == QlogOutcome::kAccepted) {
      texts_.records.emplace_back(record);
    }
    return texts_.outcome;
  }
  void write_last(std::string_view record) noexcept override { texts_.last = record; }

 private:
  Texts& texts_;
};

class Qlog : public testing::Test {
 protected:
  // A 1-RTT packet with a PING.
  void receive(std::uint8_t number, bool has_key_phase) {
    const std::vector<std::uint8_t> datagram{static_cast<std::uint8_t>(has_key_phase ? 0x44 : 0x40), number,
                                             0, 0};
    const std::span<const std::uint8_t> bytes(datagram);
    const std::array<std::uint8_t, 1> ping{0x01};
    qlog_.begin_datagram(bytes);
    qlog_.note_received({bytes.first(2), bytes.subspan(2)}, ping, now_);
  }
  [[nodiscard]] std::size_t count(std::string_view text) const {
    std::size_t found = 0;
    for (const std::string& record : texts_.records) {
      found += record.find(text) != std::string::npos ? 1U : 0U;
    }
    return found;
  }

  Texts texts_;
  const base::Instant now_{};
  ConnectionQlog qlog_{std::make_unique<TextFile>(texts_), now_};
};

TEST_F(Qlog, ShowsAKeyUpdateOnceAlsoWhenAPacketOfTheEarlierKeysIsLate) {
  receive(5, false);
  receive(7, true);
  receive(6, false);
  receive(8, true);
  EXPECT_EQ(count("security:key_updated"), 1U);
  EXPECT_EQ(count("remote_update"), 1U);
  receive(9, false);
  EXPECT_EQ(count("security:key_updated"), 2U);
}

TEST_F(Qlog, ReportsTheEventsThatAreMissing) {
  receive(1, false);
  texts_.outcome = QlogOutcome::kDropped;
  receive(2, false);
  receive(3, false);
  texts_.outcome = QlogOutcome::kAccepted;
  receive(4, false);
  ASSERT_EQ(texts_.records.size(), 3U);
  EXPECT_NE(texts_.records[1].find("2 events are missing here"), std::string::npos) << texts_.records[1];
  EXPECT_NE(texts_.records[2].find("\"packet_number\":4"), std::string::npos) << texts_.records[2];
}

TEST_F(Qlog, EndsAFullFileWithANotice) {
  texts_.outcome = QlogOutcome::kFull;
  receive(1, false);
  EXPECT_TRUE(texts_.last.starts_with("\x1e{")) << texts_.last;
  EXPECT_TRUE(texts_.last.ends_with("later events are missing\"}}\n")) << texts_.last;
  texts_.outcome = QlogOutcome::kAccepted;
  receive(2, false);
  EXPECT_TRUE(texts_.records.empty()) << "nothing follows the notice";
}

TEST_F(Qlog, EndsAFileThatIsFullWhenItReportsMissingEvents) {
  texts_.outcome = QlogOutcome::kDropped;
  receive(1, false);
  texts_.outcome = QlogOutcome::kFull;
  receive(2, false);
  EXPECT_FALSE(qlog_.is_open());
  EXPECT_TRUE(texts_.last.ends_with("later events are missing\"}}\n")) << texts_.last;
}

TEST_F(Qlog, IsOverWithoutItsHeader) {
  for (const QlogOutcome outcome : {QlogOutcome::kDropped, QlogOutcome::kFull}) {
    texts_ = {.outcome = outcome};
    ConnectionQlog qlog(std::make_unique<TextFile>(texts_), now_);
    qlog.note_start({}, {});
    EXPECT_FALSE(qlog.is_open());
    EXPECT_TRUE(texts_.records.empty());
  }
}

// A packet that waited for its keys lies outside the datagram that is being read.
TEST_F(Qlog, ShowsThatAPacketHasWaitedForItsKeys) {
  const std::array<std::uint8_t, 4> earlier{0x40, 1, 0, 0};
  const std::array<std::uint8_t, 4> datagram{};
  const std::array<std::uint8_t, 1> ping{0x01};
  qlog_.begin_datagram(datagram);
  qlog_.note_received({std::span(earlier).first(2), std::span(earlier).subspan(2)}, ping, now_);
  EXPECT_EQ(count("keys_available"), 1U);
  EXPECT_EQ(count("datagram_id"), 0U);
}

TEST_F(Qlog, LeavesOutPacketsOfADatagramThatWasNotMade) {
  const std::array<std::uint8_t, 2> header{0x40, 0};
  const std::array<std::uint8_t, 1> ping{0x01};
  qlog_.note_encrypted(header, ping);
  qlog_.end_datagram(0, now_);
  EXPECT_TRUE(texts_.records.empty());
  qlog_.note_encrypted(header, ping);
  qlog_.end_datagram(20, now_);
  EXPECT_EQ(count("transport:packet_sent"), 1U);
  EXPECT_EQ(count("\"datagram_id\":1"), 1U);
}

TEST_F(Qlog, LeavesOutPacketsThatWereRemovedFromTheirDatagram) {
  const std::array<std::uint8_t, 1> ping{0x01};
  for (const auto& header : {std::array<std::uint8_t, 2>{0x40, 1}, {0x40, 2}}) {
    qlog_.note_encrypted(header, ping);
  }
  qlog_.end_datagram(20, now_, 1);
  ASSERT_EQ(texts_.records.size(), 1U);
  EXPECT_NE(texts_.records[0].find("\"packet_number\":2"), std::string::npos) << texts_.records[0];
  EXPECT_EQ(count("is_coalesced"), 0U);
}

}  // namespace
}  // namespace knul::quic
