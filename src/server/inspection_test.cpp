#include <krepis/inspect.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/certificate_maker.hpp"
#include "support/temporary_folder.h"

namespace krepis {
namespace {

using knul::test::CertificateRequest;
using knul::test::MadeCertificate;

class Inspection : public testing::Test {
 protected:
  std::vector<Finding> rows(const CertificateRequest& request,
                            nlohmann::json settings = nlohmann::json::object()) {
    const MadeCertificate made(request);
    settings["cert_pem"] = made.certificate();
    settings["key_pem"] = made.key();
    return inspect(settings.dump()).value();
  }
  static Finding row(const std::vector<Finding>& rows, std::string_view name) {
    const auto found = std::ranges::find(rows, name, &Finding::name);
    return found == rows.end() ? Finding{.name = "missing"} : *found;
  }
};

TEST_F(Inspection, FindsAGoodCertificateAndAFreePort) {
  const auto found = rows({.dns_names = {"example.test"}, .ends_in_seconds = 60LL * 24 * 3'600});
  EXPECT_EQ(row(found, "certificate").level, FindingLevel::kOk);
  EXPECT_NE(row(found, "certificate").found.find("example.test"), std::string::npos);
  EXPECT_EQ(row(found, "port").level, FindingLevel::kOk);
  EXPECT_EQ(row(found, "descriptors").name, "descriptors");
  EXPECT_EQ(row(found, "clock").name, "clock");
}

TEST_F(Inspection, FailsForAnExpiredAndForAFutureCertificate) {
  const auto expired = row(rows({.begins_in_seconds = -7'200, .ends_in_seconds = -3'600}), "certificate");
  EXPECT_EQ(expired.level, FindingLevel::kFailure);
  EXPECT_NE(expired.found.find("expired"), std::string::npos);
  const auto future = row(rows({.begins_in_seconds = 3'600}), "certificate");
  EXPECT_EQ(future.level, FindingLevel::kFailure);
  EXPECT_NE(future.found.find("not valid before"), std::string::npos);
}

TEST_F(Inspection, LeavesNoSocketOfTheAdminListenerBehind) {
  const knul::test::TemporaryFolder folder;
  const std::string path = folder.path() + "/admin.sock";
  const auto found = rows({}, {{"admin", "unix:" + path}});
  EXPECT_EQ(row(found, "admin port").level, FindingLevel::kOk);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Inspection, WarnsOfAKeyLog) {
  EXPECT_EQ(row(rows({}, {{"key_log_path", "/nowhere/keys"}}), "key log").level, FindingLevel::kWarning);
  EXPECT_FALSE(std::filesystem::exists("/nowhere"));
}

TEST_F(Inspection, RefusesAWrongSetting) {
  const auto refused = inspect(R"({"workers":65})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidRequest);
}

}  // namespace
}  // namespace krepis
