#include "cli/check_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace knul::cli {
namespace {

using krepis::Finding;
using krepis::FindingLevel;

const std::vector<Finding> kFindings = {
    {"certificate", FindingLevel::kOk, "fits its key", ""},
    {"port", FindingLevel::kFailure, "in use \x1b[2J", "stop the other"},
    {"clock", FindingLevel::kWarning, "not synchronized", ""},
};

TEST(CheckText, HasARowPerFindingAndItsAdvice) {
  EXPECT_EQ(check_text(kFindings),
            "ok       certificate     fits its key\n"
            "failure  port            in use \\x1b[2J\n"
            "                         to do: stop the other\n"
            "warning  clock           not synchronized\n"
            "1 failure, 1 warning\n");
}

TEST(CheckJson, HasTheWorstLevelAndTheFindings) {
  const auto report = nlohmann::json::parse(check_json(kFindings));
  EXPECT_EQ(report["level"], "failure");
  EXPECT_EQ(report["findings"][1]["advice"], "stop the other");
  EXPECT_EQ(nlohmann::json::parse(check_json({}))["level"], "ok");
  EXPECT_FALSE(has_failure({}));
  EXPECT_TRUE(has_failure(kFindings));
}

}  // namespace
}  // namespace knul::cli
