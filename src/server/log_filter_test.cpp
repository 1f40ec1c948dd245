#include "server/log_filter.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

using base::LogKind;
using base::LogLevel;

// The lowest level that the value of KNUL_LOG writes for the kind.
LogLevel lowest(std::string_view text, LogKind kind) {
  const auto filter = LogFilter::parse(text);
  EXPECT_TRUE(filter) << text;
  for (const auto level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (filter && filter->admits(level, kind)) {
      return level;
    }
  }
  return LogLevel::kOff;
}

constexpr LogKind kOfQuic = LogKind::kConnectionOpened;
constexpr LogKind kOfTls = LogKind::kCertificate;

TEST(LogFilter, TakesALevelInAnyCase) {
  EXPECT_EQ(lowest("debug", kOfQuic), LogLevel::kDebug);
  EXPECT_EQ(lowest("WARNING", kOfQuic), LogLevel::kWarning);
  EXPECT_EQ(lowest("Warn", kOfQuic), LogLevel::kWarning);
  EXPECT_EQ(lowest("Off", kOfQuic), LogLevel::kOff);
}

TEST(LogFilter, TakesALevelForASubsystemBesideTheLevelOfTheOthers) {
  for (const char* text : {"info,quic=debug", "quic=debug,info", " INFO , Quic = DEBUG ", "info,,quic=debug,",
                           "quic=error,info,quic=debug"}) {
    EXPECT_EQ(lowest(text, kOfQuic), LogLevel::kDebug) << text;
    EXPECT_EQ(lowest(text, kOfTls), LogLevel::kInfo) << text;
  }
  EXPECT_EQ(lowest("quic=off", kOfQuic), LogLevel::kOff);
  EXPECT_EQ(lowest("quic=off", kOfTls), LogLevel::kWarning);
}

TEST(LogFilter, TakesAnEmptyValueForTheDefault) {
  for (const char* text : {"", "  ", ",", " , "}) {
    EXPECT_EQ(lowest(text, kOfQuic), LogLevel::kWarning) << '"' << text << '"';
  }
}

TEST(LogFilter, NamesAnUnknownWordAndTheExpectedWords) {
  for (const char* text :
       {"warnin", "2", "info debug", "quic=", "=debug", "quic=loud", "http=debug", "quic"}) {
    const auto filter = LogFilter::parse(text);
    ASSERT_FALSE(filter) << text;
    EXPECT_NE(filter.error().message.find("server, tls, udp, quic, channel"), std::string::npos);
  }
  EXPECT_NE(LogFilter::parse("info,quick=debug").error().message.find("\"quick\" is none"),
            std::string::npos);
}

}  // namespace
}  // namespace knul::server
