#include "cli/endpoint.hpp"

#include <gtest/gtest.h>

namespace knul::cli {
namespace {

TEST(ParseHostPort, ReadsNamesAndBothAddressFamilies) {
  EXPECT_EQ(parse_host_port("localhost:4433")->host, "localhost");
  EXPECT_EQ(parse_host_port("127.0.0.1:1")->port, 1);
  EXPECT_EQ(parse_host_port("[::1]:65535")->host, "::1");
}

TEST(ParseHostPort, SaysWhatIsMissing) {
  for (const char* const text : {"", "localhost", ":4433", "localhost:", "localhost:0", "localhost:65536",
                                 "localhost:x", "localhost:1x", "::1:4433", "[::1]", "localhost:-1"}) {
    const auto parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ExitCode::kUsage) << text;
  }
}

TEST(ParseUrl, SplitsServerAndPath) {
  const auto target = parse_url("hq://localhost:4433/a/b.txt");
  EXPECT_EQ(target->server.host, "localhost");
  EXPECT_EQ(target->server.port, 4433);
  EXPECT_EQ(target->paths, std::vector<std::string>{"/a/b.txt"});
}

TEST(ParseUrl, TakesThePortOfHttpsWhenNoneIsGiven) {
  EXPECT_EQ(parse_url("https://example.org/x")->server.port, 443);
  EXPECT_EQ(parse_url("https://[::1]/x")->server.port, 443);
}

TEST(ParseUrl, RefusesOtherSchemes) { EXPECT_FALSE(parse_url("http://localhost:4433/x")); }

TEST(Resolve, GivesNumericAddressesBack) { EXPECT_EQ(*resolve("127.0.0.1"), "127.0.0.1"); }

}  // namespace
}  // namespace knul::cli
