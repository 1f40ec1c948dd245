#include "server/log_sink.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

TEST(LogSink, TakesTheNameOfAFormatInAnyCase) {
  EXPECT_EQ(parse_log_format("text"), LogFormat::kText);
  EXPECT_EQ(parse_log_format("JSON"), LogFormat::kJson);
}

TEST(LogSink, TakesNoFormatFromATextThatNamesNone) {
  for (const char* text : {"", "tex", "jsonl", " json", "auto"}) {
    EXPECT_EQ(parse_log_format(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace knul::server
