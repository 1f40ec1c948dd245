#include "cli/admin_address.hpp"

#include <gtest/gtest.h>

namespace knul::cli {
namespace {

TEST(AdminAddress, IsAHostWithAPort) {
  const auto address = parse_admin_address("[::1]:9464");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->server.host, "::1");
  EXPECT_EQ(address->server.port, 9464);
  EXPECT_TRUE(address->unix_path.empty());
}

TEST(AdminAddress, IsThePathOfASocketWithAndWithoutAPrefix) {
  EXPECT_EQ(parse_admin_address("unix:/run/knul.sock")->unix_path, "/run/knul.sock");
  EXPECT_EQ(parse_admin_address("unix:here")->unix_path, "here");
  EXPECT_EQ(parse_admin_address("./knul.sock")->unix_path, "./knul.sock");
}

TEST(AdminAddress, OfAnotherFormIsWrongUsage) {
  for (const std::string& text : {std::string(), std::string("localhost"), std::string("localhost:0"),
                                  std::string("unix:"), "/" + std::string(107, 'x')}) {
    const auto address = parse_admin_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ExitCode::kUsage) << text;
  }
}

}  // namespace
}  // namespace knul::cli
