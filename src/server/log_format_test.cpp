#include "server/log_format.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace knul::server {
namespace {

using base::LogKind;
using base::LogLevel;
using std::chrono::milliseconds;

LogRecord record(std::string text) {
  return {LogLevel::kInfo, LogKind::kConnectionLimit, std::move(text), 0,
          std::chrono::system_clock::time_point(milliseconds(1'764'457'602'123))};
}

TEST(LogFormat, WritesTimeLevelSubsystemAndText) {
  EXPECT_EQ(line_of(record("the text"), LogFormat::kText),
            "2025-11-29T23:06:42.123Z knul info quic: the text\n");
}

TEST(LogFormat, WritesTheNumberOfOmittedMessages) {
  LogRecord late = record("the text");
  late.omitted = 41;
  EXPECT_NE(line_of(late, LogFormat::kText).find("the text (41 earlier messages of this kind omitted)\n"),
            std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(line_of(late, LogFormat::kJson)).at("omitted"), 41);
}

TEST(LogFormat, WritesAJsonObject) {
  EXPECT_EQ(line_of(record("a \"name\""), LogFormat::kJson),
            "{\"time\":\"2025-11-29T23:06:42.123Z\",\"level\":\"info\",\"subsystem\":\"quic\","
            "\"kind\":\"connection_limit\",\"message\":\"a \\\"name\\\"\"}\n");
}

TEST(LogFormat, WritesOneLineWithoutControlCharactersWhateverTheTextHolds) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) {
    text += static_cast<char>(byte);
  }
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = line_of(record(text), format);
    const auto controls =
        std::ranges::count_if(line, [](char byte) { return (byte >= 0 && byte < 0x20) || byte == 0x7f; });
    EXPECT_EQ(controls, 1) << line;  // the newline at the end
    EXPECT_EQ(line.back(), '\n');
  }
  EXPECT_TRUE(nlohmann::json::accept(line_of(record(text), LogFormat::kJson)));
}

}  // namespace
}  // namespace knul::server
