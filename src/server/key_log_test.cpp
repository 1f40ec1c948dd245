#include "server/key_log.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"

namespace knul::server {
namespace {

class RecordingLog final : public base::LogSink {
 public:
  std::vector<std::string> lines;

 protected:
  bool admit(base::LogLevel level, base::LogKind kind) noexcept override {
    return level == base::LogLevel::kWarning && kind == base::LogKind::kKeyLog;
  }
  void put(base::LogLevel, base::LogKind, std::string_view text) override { lines.emplace_back(text); }
};

class KeyLogFolder : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const char* name) const { return (folder_ / name).string(); }
  void expect_refused(const std::string& at, const std::string& why) {
    const auto opened = KeyLogFile::open(at, log_);
    ASSERT_FALSE(opened) << at;
    EXPECT_TRUE(opened.error().message.starts_with("key_log_path is ")) << opened.error().message;
    EXPECT_NE(opened.error().message.find(why), std::string::npos) << opened.error().message;
  }

  RecordingLog log_;
  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_F(KeyLogFolder, IsOffWithoutAPath) {
  EXPECT_EQ(*KeyLogFile::open("", log_), nullptr);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(KeyLogFolder, AppendsLinesToAFileThatOnlyItsOwnerCanRead) {
  const std::string at = path("keys");
  const mode_t before = ::umask(0);
  for (int i = 0; i < 2; ++i) {
    const auto file = KeyLogFile::open(at, log_);
    ASSERT_TRUE(file) << file.error().message;
    (*file)->write("LABEL", std::array<std::uint8_t, 2>{0x01, 0xab}, std::array<std::uint8_t, 1>{0xff});
  }
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(at.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  std::ifstream file(at);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, "LABEL 01ab ff\nLABEL 01ab ff\n");
}

TEST_F(KeyLogFolder, WarnsWhileItIsOn) {
  ASSERT_TRUE(KeyLogFile::open(path("keys"), log_));
  ASSERT_EQ(log_.lines.size(), 1U);
  EXPECT_NE(log_.lines[0].find(path("keys")), std::string::npos);
}

TEST_F(KeyLogFolder, RefusesWhatIsNotARegularFileOfItsOwner) {
  std::filesystem::create_symlink(path("keys"), path("link"));
  expect_refused(path("link"), "symbolic link");
  EXPECT_FALSE(std::filesystem::exists(path("keys")));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  expect_refused(path("fifo"), "");
  expect_refused(folder_.string(), "directory");
  expect_refused("/dev/null", "not a regular file");
  std::ofstream(path("open")) << "x";
  std::filesystem::permissions(path("open"), std::filesystem::perms(0644));
  expect_refused(path("open"), "0600");
  expect_refused(path("nothing/keys"), "No such file");
}

}  // namespace
}  // namespace knul::server
