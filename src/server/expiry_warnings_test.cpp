#include "server/expiry_warnings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utc_text.hpp"

namespace knul::server {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kDay = base::kSecondsPerDay;
constexpr std::int64_t kEnd = 100 * kDay;

quic::CertificateFacts valid_for(std::int64_t days) {
  return {.not_before = kEnd - days * kDay, .not_after = kEnd, .serial = "01", .names = {}};
}

TEST(ExpiryWarnings, AreDueAt14And7DaysAtADayAndAtTheEndOnceEach) {
  ExpiryWarnings warnings;
  int due = 0;
  std::string days;
  for (std::int64_t hour = -20 * 24; hour <= 3 * 24; ++hour) {
    if (warnings.take_due("cert_path \"c\"", valid_for(90), kEnd + hour * 3'600)) {
      ++due;
      days += std::to_string(hour) + " ";
    }
  }
  EXPECT_EQ(due, 4);
  EXPECT_EQ(days, "-336 -168 -24 1 ");
}

TEST(ExpiryWarnings, SayWhichCertificateAndWhen) {
  ExpiryWarnings warnings;
  const auto text = warnings.take_due("cert_path \"c\"", valid_for(90), kEnd - 3 * kDay - 1);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text, "cert_path \"c\": the certificate expires in 3 days, at 1970-04-11 00:00:00 UTC");
}

TEST(ExpiryWarnings, OfALateStartAreOneForTheSmallestThreshold) {
  ExpiryWarnings warnings;
  EXPECT_TRUE(warnings.take_due("c", valid_for(90), kEnd - 3'600).has_value());
  EXPECT_FALSE(warnings.take_due("c", valid_for(90), kEnd - 3'500).has_value());
}

TEST(ExpiryWarnings, BeginAgainWithANewCertificate) {
  ExpiryWarnings warnings;
  EXPECT_TRUE(warnings.take_due("c", valid_for(90), kEnd - 3'600).has_value());
  quic::CertificateFacts next = valid_for(90);
  next.serial = "02";
  EXPECT_TRUE(warnings.take_due("c", next, kEnd - 3'600).has_value());
}

TEST(ExpiryWarnings, LeaveOutThresholdsBeyondHalfOfAShortLifetime) {
  ExpiryWarnings warnings;
  EXPECT_FALSE(warnings.take_due("c", valid_for(10), kEnd - 9 * kDay).has_value());
  EXPECT_FALSE(warnings.take_due("c", valid_for(10), kEnd - 2 * kDay).has_value());
  const auto text = warnings.take_due("c", valid_for(10), kEnd - 3'600);
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, HasSubstr("less than a day"));
}

TEST(ExpiryWarnings, EndWithTheResultOfTheExpiry) {
  ExpiryWarnings warnings;
  EXPECT_THAT(*warnings.take_due("a", valid_for(90), kEnd + 1), HasSubstr(": clients will refuse it"));
  EXPECT_THAT(*warnings.take_due("b", valid_for(90), kEnd + 1, "nothing works"),
              HasSubstr(": nothing works"));
}

TEST(ExpiryWarnings, OfTwoCertificatesAreIndependent) {
  ExpiryWarnings warnings;
  EXPECT_TRUE(warnings.take_due("a", valid_for(90), kEnd - 3'600).has_value());
  EXPECT_TRUE(warnings.take_due("b", valid_for(90), kEnd - 3'600).has_value());
}

}  // namespace
}  // namespace knul::server
