#include "cli/serve_config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace knul::cli {
namespace {

class MergeConfig : public testing::Test {
 protected:
  MergeConfig() {
    std::string name = (std::filesystem::temp_directory_path() / "knul_config_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~MergeConfig() override { std::filesystem::remove_all(folder_); }

  void file(const std::string& text) {
    sources.file_path = (folder_ / "knul.toml").string();
    std::ofstream(sources.file_path) << text;
  }
  void environment(const std::string& variable, const std::string& value) {
    variables_[variable] = value;
    sources.environment = [this](const char* asked) {
      const auto found = variables_.find(asked);
      return found == variables_.end() ? nullptr : found->second.c_str();
    };
  }
  std::string merged() {
    auto result = merge_config(settings, sources);
    return result ? *result : "failed: " + result.error().message;
  }

  std::vector<Setting> settings = {{.name = "port", .type = SettingType::kInteger},
                                   {.name = "host", .type = SettingType::kText},
                                   {.name = "gso", .type = SettingType::kBoolean},
                                   {.name = "alpn", .type = SettingType::kList}};
  ConfigSources sources;

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::string> variables_;
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
  EXPECT_NE(merged().find("knul.toml:2: host: a string is expected"), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheLineThatIsNotToml) {
  file("port = 1\nhost\n");
  EXPECT_NE(merged().find("knul.toml:2: "), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheFileThatIsMissing) {
  sources.file_path = "/nothing/knul.toml";
  EXPECT_NE(merged().find("failed: /nothing/knul.toml"), std::string::npos) << merged();
}

TEST_F(MergeConfig, NamesTheSourceOfAValueThatIsNoNumber) {
  environment("KNUL_PORT", "many");
  EXPECT_EQ(merged(), "failed: KNUL_PORT: \"many\" is not a whole number");
  sources.environment = nullptr;
  sources.flags = {{"port", "-1"}};
  EXPECT_EQ(merged(), "failed: --port: \"-1\" is not a whole number");
}

}  // namespace
}  // namespace knul::cli
