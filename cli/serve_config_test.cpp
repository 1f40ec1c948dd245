#include "cli/serve_config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/temporary_folder.h"

namespace knul::cli {
namespace {

class MergeConfig : public testing::Test {
 protected:
  void file(const std::string& text) {
    sources.file_path = (folder_ / "knul.toml").string();
    std::ofstream(*sources.file_path) << text;
  }
  void environment(const std::string& variable, const std::string& value) {
    sources.environment[variable] = value;
  }
  std::string merged() {
    auto result = merge_config(settings, sources);
    return result ? result->json : "failed: " + result.error().message;
  }

  std::vector<Setting> settings = {{.name = "port", .type = SettingType::kInteger},
                                   {.name = "host", .type = SettingType::kText},
                                   {.name = "gso", .type = SettingType::kBoolean},
                                   {.name = "alpn", .type = SettingType::kList}};
  ConfigSources sources;
  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_F(MergeConfig, IsEmptyWhenNoSourceSetsAnything) { EXPECT_EQ(merged(), "{}"); }

TEST_F(MergeConfig, TakesEveryTypeFromFlags) {
  sources.flags = {{"port", "4433"}, {"host", "::1"}, {"gso", "false"}, {"alpn", "a,b"}};
  EXPECT_EQ(merged(), R"({"alpn":["a","b"],"gso":false,"host":"::1","port":4433})");
}

TEST_F(MergeConfig, TakesEveryTypeFromTheFile) {
  file("port = 4433\nhost = \"::1\"\ngso = false\nalpn = [\"a\", \"b\"]\n");
  EXPECT_EQ(merged(), R"({"alpn":["a","b"],"gso":false,"host":"::1","port":4433})");
}

TEST_F(MergeConfig, PrefersTheFlagToTheFileAndTheFileToTheEnvironment) {
  environment("KNUL_PORT", "1");
  EXPECT_EQ(merged(), R"({"port":1})");
  file("port = 2\n");
  EXPECT_EQ(merged(), R"({"port":2})");
  sources.flags = {{"port", "3"}};
  EXPECT_EQ(merged(), R"({"port":3})");
}

TEST_F(MergeConfig, JoinsSettingsOfDifferentSources) {
  environment("KNUL_PORT", "1");
  environment("KNUL_GSO", "no");
  file("host = \"localhost\"\n");
  EXPECT_EQ(merged(), R"({"gso":false,"host":"localhost","port":1})");
}

TEST_F(MergeConfig, TakesAnEmptyVariableAsUnset) {
  environment("KNUL_PORT", "");
  EXPECT_EQ(merged(), "{}");
}

TEST_F(MergeConfig, NamesTheLineOfAnUnknownSetting) {
  file("port = 1\n\nprot = 2\n");
  EXPECT_NE(merged().find("knul.toml:3: unknown setting \"prot\""), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheLineOfAWrongType) {
  file("port = 1\nhost = 2\n");
  EXPECT_NE(merged().find("knul.toml:2: host: expected a string"), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheLineThatIsNotToml) {
  file("port = 1\nhost\n");
  EXPECT_NE(merged().find("knul.toml:2: "), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheFileThatIsMissing) {
  sources.file_path = "/nothing/knul.toml";
  EXPECT_NE(merged().find("failed: --config: /nothing/knul.toml: No such file"), std::string::npos)
      << merged();
}

TEST_F(MergeConfig, NamesTheSourceOfAValueThatIsNoNumber) {
  environment("KNUL_PORT", "many");
  EXPECT_EQ(merged(), "failed: KNUL_PORT: \"many\" is not a whole number");
  sources.environment.clear();
  sources.flags = {{"port", "-1"}};
  EXPECT_EQ(merged(), "failed: --port: \"-1\" is not a whole number");
}

TEST_F(MergeConfig, DoesNotJudgeAVariableThatIsOverridden) {
  environment("KNUL_PORT", "tcp://10.0.0.1:4433");
  EXPECT_NE(merged().find(
                "KNUL_PORT: \"tcp://10.0.0.1:4433\" is not a whole number; Kubernetes sets this variable"),
            std::string::npos)
      << merged();
  file("port = 2\n");
  EXPECT_EQ(merged(), R"({"port":2})");
  sources.file_path = std::nullopt;
  sources.flags = {{"port", "3"}};
  EXPECT_EQ(merged(), R"({"port":3})");
}

TEST_F(MergeConfig, DoesNotJudgeAValueOfTheFileThatAFlagOverrides) {
  file("port = \"many\"\n");
  sources.flags = {{"port", "3"}};
  EXPECT_EQ(merged(), R"({"port":3})");
}

TEST_F(MergeConfig, RefusesAFolderAndAnEmptyPathAsTheFile) {
  sources.file_path = folder_.string();
  EXPECT_NE(merged().find("is a folder, expected a TOML file"), std::string::npos) << merged();
  sources.file_path = "";
  EXPECT_NE(merged().find("the path is empty"), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheSourceOfEverySetting) {
  environment("KNUL_GSO", "no");
  file("\nhost = \"::1\"\n");
  sources.flags = {{"port", "3"}};
  const MergedConfig config = merge_config(settings, sources).value();
  const auto text = [&config](const char* message) {
    return with_source({ExitCode::kUsage, message, setting_named_in(message)}, config).message;
  };
  EXPECT_EQ(text("port is 3, expected less"), "--port: port is 3, expected less");
  EXPECT_EQ(text("host: cannot bind"), *sources.file_path + ":2: host: cannot bind");
  EXPECT_EQ(text("gso is wrong"), "KNUL_GSO: gso is wrong");
  EXPECT_EQ(text("alpn is wrong"), "alpn is wrong");
}

TEST(SettingNamedInAnError, EndsAtAnyCharacterOutsideNames) {
  EXPECT_EQ(setting_named_in("max_streams is 0, expected 1 to 9"), "max_streams");
  EXPECT_EQ(setting_named_in("cert_path: not a PEM certificate"), "cert_path");
  EXPECT_EQ(setting_named_in("Cannot start"), "");
  EXPECT_EQ(setting_named_in(""), "");
}

TEST_F(MergeConfig, NamesTheVariablesThatAreNoSettings) {
  const std::map<std::string, std::string> variables = {
      {"KNUL_PROT", "1"}, {"KNUL_PORT", "1"}, {"KNUL_LOG", "x"}, {"KNUL_SOMETHING_ELSE", "1"}};
  const auto lines = unknown_variables(settings, variables);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "KNUL_PROT is not a setting and has no effect; did you mean KNUL_PORT?");
  EXPECT_EQ(lines[1], "KNUL_SOMETHING_ELSE is not a setting and has no effect");
}

TEST_F(MergeConfig, TakesNoNoticeOfWhatKubernetesSetsForAService) {
  EXPECT_TRUE(unknown_variables(settings, {{"KNUL_SERVICE_HOST", "10.0.0.1"},
                                           {"KNUL_SERVICE_PORT", "4433"},
                                           {"KNUL_SERVICE_PORT_QUIC", "4433"},
                                           {"KNUL_PORT_4433_UDP_ADDR", "10.0.0.1"}})
                  .empty());
}

}  // namespace
}  // namespace knul::cli
