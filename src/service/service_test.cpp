#include "service/service.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace knul::service {
namespace {

TEST(ServiceFactory, MakesAnApplicationForEveryName) {
  for (const std::string_view name : service_names()) {
    const std::string root = name == "hq" ? std::filesystem::temp_directory_path().string() : "";
    const auto factory = service_factory(name, root);
    ASSERT_TRUE(factory) << name;
    EXPECT_NE((*factory)(0), nullptr) << name;
    EXPECT_FALSE(default_alpn(name).empty()) << name;
  }
}

TEST(ServiceFactory, NamesTheServicesWhenOneIsUnknown) {
  const auto factory = service_factory("http", "");
  ASSERT_FALSE(factory);
  EXPECT_EQ(factory.error().code, krepis::ErrorCode::kInvalidRequest);
  EXPECT_EQ(factory.error().message, "service is \"http\", expected \"echo\", \"hq\" or \"perf\"");
}

TEST(ServiceFactory, RefusesARootThatIsNoFolder) {
  for (const char* const root : {"", "/nothing/here", "/dev/null"}) {
    const auto factory = service_factory("hq", root);
    ASSERT_FALSE(factory) << root;
    EXPECT_TRUE(factory.error().message.starts_with("service_root")) << factory.error().message;
  }
}

TEST(ServiceFactory, RefusesARootThatIsNotUsed) { EXPECT_FALSE(service_factory("echo", "/tmp")); }

}  // namespace
}  // namespace knul::service
