// The settings name the services, but their layers do not include each other. This folder includes both.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/settings_json.hpp"
#include "service/service.hpp"

namespace knul::abi {
namespace {

TEST(ServiceSettings, AllowExactlyTheServicesThatExistAndNone) {
  std::vector<std::string_view> expected = service::service_names();
  expected.emplace_back("none");
  std::ranges::sort(expected);
  const auto values = server::find_setting("service")->values;
  std::vector<std::string_view> allowed(values.begin(), values.end());
  std::ranges::sort(allowed);
  EXPECT_EQ(allowed, expected);
}

TEST(ServiceSettings, BringTheProtocolOfTheService) {
  for (const std::string_view name : service::service_names()) {
    std::string json = R"({"cert_path":"c","key_path":"k","service":")" + std::string(name) + '"';
    json += name == "hq" ? R"(,"service_root":"/srv"})" : "}";
    const auto parsed = server::parse_settings_json(json);
    ASSERT_TRUE(parsed) << name;
    EXPECT_EQ(parsed->options.alpn, std::vector<std::string>{std::string(service::default_alpn(name))});
  }
}

}  // namespace
}  // namespace knul::abi
