#include "server/log_sink.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

using base::LogLevel;

TEST(LogSink, TakesTheNameOfALevelInAnyCase) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("WARNING"), LogLevel::kWarning);
  EXPECT_EQ(parse_log_level("Warn"), LogLevel::kWarning);
  EXPECT_EQ(parse_log_level("Off"), LogLevel::kOff);
}

TEST(LogSink, TakesNoLevelFromATextThatNamesNone) {
  for (const char* text : {"", "warnin", "warningx", "2", " info", "none", "silent"}) {
    EXPECT_EQ(parse_log_level(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace knul::server
