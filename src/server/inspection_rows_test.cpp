#include "server/inspection_rows.hpp"

#include <gtest/gtest.h>

#include "base/utc_text.hpp"

namespace knul::server {
namespace {

using krepis::Finding;
using krepis::FindingLevel;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = base::kSecondsPerDay;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

quic::CertificateFacts facts(std::int64_t days_left) {
  return {.not_before = kNow - 60 * kDay,
          .not_after = kNow + days_left * kDay,
          .serial = "1",
          .names = {"localhost"}};
}

TEST(JudgeCertificate, WarnsBeforeTheEndAndFailsAfterIt) {
  EXPECT_EQ(judge_certificate("cert_path", facts(30), kNow).level, FindingLevel::kOk);
  EXPECT_TRUE(has(judge_certificate("cert_path", facts(30), kNow).found, "for localhost"));
  EXPECT_EQ(judge_certificate("cert_path", facts(5), kNow).level, FindingLevel::kWarning);
  const Finding expired = judge_certificate("cert_path", facts(-1), kNow);
  EXPECT_EQ(expired.level, FindingLevel::kFailure);
  EXPECT_TRUE(has(expired.found, "expired")) << expired.found;
}

TEST(JudgeCertificate, WarnsOfACertificateWithoutAName) {
  quic::CertificateFacts nameless = facts(30);
  nameless.names.clear();
  EXPECT_EQ(judge_certificate("cert_path", nameless, kNow).level, FindingLevel::kWarning);
}

TEST(JudgeBuffer, GivesTheSysctlLineForASmallBuffer) {
  const Finding small = judge_buffer("receive buffer", {4'194'304, 212'992, 212'992}, "rmem_max");
  EXPECT_EQ(small.level, FindingLevel::kWarning);
  EXPECT_TRUE(has(small.advice, "sysctl -w net.core.rmem_max=4194304"));
  EXPECT_EQ(judge_buffer("send buffer", {100, 100, 50}, "wmem_max").level, FindingLevel::kOk);
}

TEST(JudgeOffload, WarnsOnlyOfWantedOnes) {
  EXPECT_EQ(judge_offload({.name = "GSO", .works = true}).level, FindingLevel::kOk);
  EXPECT_EQ(judge_offload({.name = "GSO", .works = false}).level, FindingLevel::kWarning);
  EXPECT_EQ(judge_offload({.name = "GSO", .is_wanted = false}).level, FindingLevel::kOk);
}

TEST(JudgeDescriptors, FailsBelowTheNeed) {
  EXPECT_EQ(judge_descriptors(64, 64).level, FindingLevel::kOk);
  const Finding small = judge_descriptors(63, 64);
  EXPECT_EQ(small.level, FindingLevel::kFailure);
  EXPECT_TRUE(has(small.advice, "64"));
}

TEST(NeededDescriptors, GrowWithWorkersAdminAndFiles) {
  krepis::ServerOptions options;
  options.workers = 2;
  const std::uint64_t plain = needed_descriptors(options, "none");
  EXPECT_EQ(needed_descriptors(options, "hq"), plain + 512);
  options.admin = "127.0.0.1:0";
  EXPECT_EQ(needed_descriptors(options, "none"), plain + 36);
  options.key_log_path = "keys";
  options.qlog_folder = "folder";
  options.qlog_connections = 7;
  EXPECT_EQ(needed_descriptors(options, "none"), plain + 36 + 1 + 1 + 7);
}

TEST(JudgeProcessor, NamesThePathAndWhatWouldBeFaster) {
  const quic::Processor fast{.is_known = true, .has_aes = true, .has_vaes = true, .instructions = "AES VAES"};
  EXPECT_TRUE(has(judge_processor(fast, true, "auto").found, "AVX512 and VAES (the processor has AES VAES)"));
  EXPECT_EQ(judge_processor(fast, true, "auto").level, FindingLevel::kOk);
  EXPECT_EQ(judge_processor(fast, false, "auto").level, FindingLevel::kWarning);
  EXPECT_EQ(judge_processor(fast, false, "gnutls").level, FindingLevel::kOk);
  EXPECT_EQ(judge_processor({.is_known = true}, false, "gnutls").level, FindingLevel::kWarning);
  EXPECT_EQ(judge_processor({}, false, "auto").level, FindingLevel::kOk);
}

TEST(JudgeLibraries, WarnsOfHolesThatAPeerReaches) {
  const std::vector<quic::LibraryVersion> unreached = {{"ngtcp2", "1.11.0"}, {"GnuTLS", "3.8.12"}};
  const auto rows = judge_libraries(unreached, "none");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].found, "ngtcp2 1.11.0, GnuTLS 3.8.12");
  EXPECT_EQ(rows[1].name, "CVE-2026-40170");
  EXPECT_EQ(rows[1].level, FindingLevel::kOk);
  EXPECT_TRUE(has(rows[1].found, "does not call it"));
  const std::vector<quic::LibraryVersion> reached = {{"GnuTLS", "3.8.11"}};
  EXPECT_EQ(judge_libraries(reached, "none").at(1).level, FindingLevel::kWarning);
}

TEST(JudgeClock, FailsForAYearThatCannotBeAndWarnsWithoutSynchronization) {
  EXPECT_EQ(judge_clock({.unix_seconds = 0}).level, FindingLevel::kFailure);
  EXPECT_EQ(judge_clock({.unix_seconds = std::int64_t{5} << 40}).level, FindingLevel::kFailure);
  EXPECT_EQ(judge_clock({kNow, false, true, 0}).level, FindingLevel::kWarning);
  EXPECT_EQ(judge_clock({kNow, true, true, 5'000}).level, FindingLevel::kOk);
  EXPECT_EQ(judge_clock({kNow, false, false, 0}).level, FindingLevel::kOk);
}

TEST(Rows, WarnOfAHoleInClientCertificatesOnlyIfTheyAreAskedFor) {
  const std::vector<quic::LibraryVersion> libraries = {{"GnuTLS", "3.8.11"}};
  const auto unasked = judge_libraries(libraries, "none").back();
  EXPECT_EQ(unasked.name, "CVE-2025-14831");
  EXPECT_EQ(unasked.level, FindingLevel::kOk);
  EXPECT_NE(unasked.found.find("only with client_auth"), std::string::npos);
  EXPECT_EQ(judge_libraries(libraries, "optional").back().level, FindingLevel::kWarning);
}

TEST(Rows, NameTheVersionsThatHaveAHole) {
  const std::vector<quic::LibraryVersion> libraries = {{"GnuTLS", "3.8.11"}};
  EXPECT_EQ(judge_libraries(libraries, "none").at(1).found.find("GnuTLS from 3.8.11 on, before 3.8.12: "),
            0U);
}

}  // namespace
}  // namespace knul::server
