#include "cli/statistic_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

TEST(StatisticText, HasTheUnitThatTheNameSays) {
  EXPECT_EQ(statistic_text("total_bytes_in", 1'536), "1.50 KiB (1,536)");
  EXPECT_EQ(statistic_text("request_latency_p99_ms", 1.5), "1.50 ms");
  EXPECT_EQ(statistic_text("uptime_ms", 312'000), "5m12s");
  EXPECT_EQ(statistic_text("send_limited_us_pacing", 2'000'000), "2.00 s");
  EXPECT_EQ(statistic_text("certificate_not_after", 0), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(statistic_text("certificate_days_left", 29), "29 days");
  EXPECT_EQ(statistic_text("total_requests", 1'234'567), "1,234,567");
  EXPECT_EQ(statistic_text("version", "1.2.0"), "1.2.0");
}

TEST(StatisticText, AcceptsEveryValue) {
  EXPECT_EQ(statistic_text("total_requests", -5), "0");
  EXPECT_EQ(statistic_text("a_bytes", 1e308), "909495 TiB (1,000,000,000,000,000,000)");
  EXPECT_EQ(statistic_text("certificate_not_after", 1e18), "9999-12-31 23:59:59 UTC");
  EXPECT_EQ(statistic_text("a", "\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(statistic_text("a", ordered_json::object()), "object");
}

TEST(StatisticsText, HasALinePerValueThatIsNotZero) {
  const ordered_json statistics = {{"total_requests", 3}, {"errors", 0}, {"version", "1.2.0"}};
  EXPECT_EQ(statistics_text(statistics), "total_requests  3\nversion         1.2.0\n");
}

TEST(StatisticsText, HasTheLastDayOfACertificate) {
  EXPECT_EQ(statistics_text({{"certificate_days_left", 0}, {"errors", 0}}),
            "certificate_days_left  0 days\n");
}

TEST(StatisticsText, HasNoControlCharacterOfTheServer) {
  const std::string text = statistics_text({{"\x1b[31m", 1}, {"a", "b\nc"}});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
}

TEST(ParseAnswer, RefusesEverythingButAnObject) {
  for (const char* text : {"", "[1]", "{", "{} x", "null", "\x1b[2J", "{\"a\":\xff\"\"}"}) {
    const auto parsed = parse_answer(text, "here");
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().message.starts_with("here: the answer is no JSON object")) << text;
    EXPECT_EQ(parsed.error().message.find('\x1b'), std::string::npos);
  }
}

std::string refusal(const std::string& text) {
  const auto parsed = parse_answer(text, "here");
  return parsed ? "" : parsed.error().message;
}

TEST(ParseAnswer, RefusesDeepValues) {
  constexpr std::size_t kDepth = 500'000;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  EXPECT_EQ(refusal("{\"a\":" + deep + "}"),
            "here: the answer is too large: values are nested deeper than 8 levels");
  EXPECT_EQ(refusal("{\"a\":[[[[[[[1]]]]]]]}"), "");
}

std::string object_with(int members) {
  std::string text = "{";
  for (int i = 0; i < members; ++i) {
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":1";
  }
  return text + "}";
}

TEST(ParseAnswer, RefusesAnObjectWithManyMembers) {
  const std::string refused = "here: the answer is too large: an object has more than 1000 members";
  EXPECT_EQ(refusal(object_with(130'000)), refused);
  EXPECT_EQ(refusal("{\"a\":[1," + object_with(1'001) + "]}"), refused);
  EXPECT_EQ(refusal("{\"a\":[" + object_with(1'000) + "," + object_with(1'000) + "]}"), "");
}

TEST(ParseAnswer, AcceptsManySmallObjects) {
  std::string text = "{\"connections\":[{}";
  for (int i = 0; i < 300'000; ++i) {
    text += ",{}";
  }
  const auto parsed = parse_answer(text + "]}", "here");
  ASSERT_TRUE(parsed);
  EXPECT_EQ((*parsed)["connections"].size(), 300'001U);
}

TEST(ValuesIn, AreReadWithoutTrust) {
  const ordered_json object = {{"n", -3}, {"t", 5}, {"s", "a\tb"}, {"big", 1e300}};
  EXPECT_EQ(number_in(object, "n"), 0);
  EXPECT_EQ(number_in(object, "absent"), 0);
  EXPECT_EQ(number_in(object, "s"), 0);
  EXPECT_EQ(number_in(object, "big"), 1e18);
  EXPECT_EQ(text_in(object, "t", 10), "");
  EXPECT_EQ(text_in(object, "s", 10), "a\\x09b");
  EXPECT_EQ(text_in(ordered_json::array(), "s", 10), "");
}

}  // namespace
}  // namespace knul::cli
