#include "server/connection_query.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

namespace knul::server {
namespace {

using Place = ConnectionQuery::Place;

TEST(ConnectionQueryText, HasDefaultsForEverything) {
  for (const char* text : {"", "{}"}) {
    const auto query = parse_connection_query(text);
    ASSERT_TRUE(query.has_value()) << text;
    EXPECT_EQ(query->sort, ConnectionQuery::Key::kId);
    EXPECT_FALSE(query->is_descending);
    EXPECT_EQ(query->limit, 100U);
    EXPECT_FALSE(query->after.has_value());
  }
}

TEST(ConnectionQueryText, SetsEachKey) {
  const auto query = parse_connection_query(
      R"({"sort":"smoothed_rtt_us","descending":true,"limit":7,"after":"12:34","peer":"10.","alpn":"h3","state":"active"})");
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ(query->sort, ConnectionQuery::Key::kRtt);
  EXPECT_TRUE(query->is_descending);
  EXPECT_EQ(query->limit, 7U);
  ASSERT_TRUE(query->after.has_value());
  EXPECT_EQ(query->after->value, 12U);
  EXPECT_EQ(query->after->id, 34U);
  EXPECT_EQ(query->peer, "10.");
  EXPECT_EQ(query->alpn, "h3");
  EXPECT_EQ(query->state, "active");
}

struct Wrong {
  std::string text;
  std::string named;  // in the error
};

std::vector<Wrong> wrong_queries() {
  std::vector<Wrong> all = {
      {"[]", "object"}, {"{", "object"}, {"nonsense", "object"}, {R"({"order":1})", "order"}};
  const std::vector<std::pair<std::string, std::vector<std::string>>> values = {
      {"sort", {"1", "null", "\"peer\"", "\"\""}},
      {"descending", {"0", "\"true\"", "null"}},
      {"limit", {"0", "-1", "10001", "1.5", "\"10\"", "1e3"}},
      {"after",
       {"1", "\"\"", "\"1\"", "\"1:\"", "\":1\"", "\"1:2:3\"", "\"-1:2\"", "\"99999999999999999999:1\""}},
      {"peer", {"1", "null", "[\"::1\"]"}},
      {"alpn", {"true", "{}"}},
      {"state", {"\"closed\"", "1", "\"\""}}};
  for (const auto& [key, wrong] : values) {
    for (const std::string& value : wrong) {
      all.push_back({"{\"" + key + "\":" + value + "}", key});
    }
  }
  return all;
}

TEST(ConnectionQueryText, IsRefusedWithTheNameOfTheKey) {
  for (const Wrong& wrong : wrong_queries()) {
    const auto query = parse_connection_query(wrong.text);
    ASSERT_FALSE(query.has_value()) << wrong.text;
    EXPECT_EQ(query.error().kind, base::ErrorKind::kInvalidArgument);
    EXPECT_NE(query.error().message.find(wrong.named), std::string::npos)
        << wrong.text << ": " << query.error().message;
  }
}

TEST(ConnectionQueryText, OfAnyNestingUsesLittleStack) {
  constexpr std::size_t kDepth = 500'000;
  const std::string text = "{\"peer\":" + std::string(kDepth, '[') + std::string(kDepth, ']') + "}";
  EXPECT_FALSE(parse_connection_query(text).has_value());
}

TEST(ConnectionPages, TogetherAreAllConnectionsInOrderOnce) {
  std::mt19937_64 random(3);
  for (const bool is_descending : {false, true}) {
    for (const std::size_t limit : {1U, 7U, 100U, 1'000U}) {
      std::vector<Place> all;
      for (std::uint64_t id = 0; id < 500; ++id) {
        all.push_back({random() % 50, id});
      }
      std::ranges::shuffle(all, random);
      ConnectionQuery query;
      query.is_descending = is_descending;
      query.limit = limit;
      std::vector<Place> found;
      for (;;) {
        FirstPlaces page(query);
        std::ranges::for_each(all, [&](const Place& place) { page.offer(place); });
        EXPECT_EQ(page.matches(), all.size());
        EXPECT_EQ(page.behind(), all.size() - found.size());
        const std::vector<Place> places = page.take();
        if (places.empty()) {
          break;
        }
        EXPECT_LE(places.size(), limit);
        found.insert(found.end(), places.begin(), places.end());
        query.after = places.back();
        const auto again = parse_connection_query("{\"after\":\"" + to_text(places.back()) + "\"}");
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->after->id, places.back().id);
      }
      std::ranges::sort(all, [&](const Place& first, const Place& second) {
        return std::tuple(is_descending ? ~first.value : first.value, first.id) <
               std::tuple(is_descending ? ~second.value : second.value, second.id);
      });
      ASSERT_EQ(found.size(), all.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(found[i].id, all[i].id);
      }
    }
  }
}

}  // namespace
}  // namespace knul::server
