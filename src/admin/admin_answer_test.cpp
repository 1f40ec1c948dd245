#include "admin/admin_answer.hpp"

#include <gtest/gtest.h>

#include "admin/fake_source_test_support.hpp"

namespace knul::admin {
namespace {

class Answer : public testing::Test {
 protected:
  AdminAnswer get(std::string_view target, std::string_view accept = "") {
    return answer(source_, {.method = "GET", .target = target, .accept = accept});
  }
  FakeSource source_;
};

TEST_F(Answer, OfMetricsHasTheFormatThatTheClientAccepts) {
  const AdminAnswer older = get("/metrics", "text/plain");
  EXPECT_EQ(older.body, "older\n");
  EXPECT_TRUE(older.content_type.starts_with("text/plain; version=0.0.4"));
  const AdminAnswer open = get("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  EXPECT_EQ(open.body, "open # EOF\n");
  EXPECT_TRUE(open.content_type.starts_with("application/openmetrics-text; version=1.0.0"));
}

TEST_F(Answer, OfReadinessChangesWithTheDrain) {
  EXPECT_EQ(get("/readyz").status, 200U);
  source_.ready = false;
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(Answer, OfStatisticsAndThePageHasItsType) {
  EXPECT_EQ(get("/stats").body, R"({"uptime_ms":1})");
  EXPECT_EQ(get("/stats").content_type, "application/json");
  EXPECT_TRUE(get("/?from=bookmark").content_type.starts_with("text/html"));
}

TEST_F(Answer, OfThePageNamesNoOtherHost) {
  const std::string body = get("/").body;
  for (const char* outside : {"http://", "https://", "//cdn", "@import", "src="}) {
    const std::size_t found = body.find(outside);
    // A namespace of XML is a name, not an address that a browser fetches.
    EXPECT_TRUE(found == std::string::npos || body.compare(found, 22, "http://www.w3.org/2000") == 0)
        << outside;
  }
}

TEST_F(Answer, ToAnyOtherMethodIsRefused) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", ""}) {
    EXPECT_EQ(answer(source_, {.method = method, .target = "/stats", .accept = ""}).status, 405U) << method;
  }
}

TEST_F(Answer, ToAnyOtherPathSaysWhatThereIs) {
  for (const char* path : {"/x", "", "/stats/", "/../etc/passwd", "//", "/metrics%20"}) {
    const AdminAnswer found = get(path);
    EXPECT_EQ(found.status, 404U) << path;
    EXPECT_NE(found.body.find("/connections"), std::string::npos);
  }
}

TEST_F(Answer, OfConnectionsPassesTheQueryOn) {
  EXPECT_EQ(get("/connections").body, "{}");
  EXPECT_EQ(get("/connections?sort=age_ms&descending=true&limit=5").body,
            R"({"descending":true,"limit":5,"sort":"age_ms"})");
  const AdminAnswer wrong = get("/connections?sort=wrong");
  EXPECT_EQ(wrong.status, 400U);
  EXPECT_EQ(wrong.body, "query: sort is wrong\n");
}

TEST_F(Answer, OfConnectionsIsBounded) {
  EXPECT_EQ(get("/connections?limit=1000").status, 200U);
  EXPECT_EQ(get("/connections?limit=1001").status, 400U);
  const AdminRequest request{.method = "GET", .target = "/connections?limit=1", .accept = ""};
  EXPECT_TRUE(asks_workers(request));
  EXPECT_EQ(answer(source_, request, MayAskWorkers::kNo).status, 429U);
  EXPECT_FALSE(asks_workers({.method = "GET", .target = "/metrics", .accept = ""}));
}

class Host : public Answer {
 protected:
  AdminAnswer get(std::string_view target, std::string_view host) {
    return answer(source_, {.method = "GET", .target = target, .accept = "", .host = host});
  }
};

TEST_F(Host, IsAnAddressOrLocalhost) {
  for (const char* host :
       {"", "localhost", "localhost:9464", "127.0.0.1:9464", "192.0.2.7", "[::1]:9464", "[2001:db8::7]"}) {
    EXPECT_EQ(get("/connections", host).status, 200U) << host;
  }
}

TEST_F(Host, ThatIsANameIsRefused) {
  for (const char* host : {"evil.example", "evil.example:9464", "127.0.0.1.evil.example",
                           "localhost.evil.example:1", "[evil.example]:1", "[", ":", "0x7f.1"}) {
    for (const char* path : {"/", "/stats", "/connections?limit=1", "/x"}) {
      EXPECT_EQ(get(path, host).status, 421U) << host << path;
    }
  }
  EXPECT_FALSE(
      asks_workers({.method = "GET", .target = "/connections", .accept = "", .host = "evil.example"}));
  EXPECT_EQ(get("/stats", "a\x1b\xff.example").body,
            "Host is \"a??.example\", expected an address such as 127.0.0.1, or localhost\n");
}

TEST_F(Host, MayBeANameForMonitoring) {
  for (const char* path : {"/metrics", "/healthz", "/readyz"}) {
    EXPECT_EQ(get(path, "knul.example:9464").status, 200U) << path;
  }
}

TEST(JsonQuery, DecodesWhatAUrlEncodes) {
  EXPECT_EQ(to_json_query("peer=%5B%3a%3A1%5d+x"), R"({"peer":"[::1] x"})");
  EXPECT_EQ(to_json_query("peer=%zz%4"), R"({"peer":"%zz%4"})");
  EXPECT_EQ(to_json_query("&&a&=b&c="), R"({"a":"","c":""})");
  EXPECT_EQ(to_json_query("limit=x&descending=1"), R"({"descending":"1","limit":"x"})");
  EXPECT_EQ(to_json_query("peer=%ff"), "{\"peer\":\"\\ufffd\"}");
}

}  // namespace
}  // namespace knul::admin
