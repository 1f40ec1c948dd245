#include "cli/file_sink.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/temporary_folder.h"

namespace knul::cli {
namespace {

constexpr std::array<std::uint8_t, 3> kBytes{'a', 'b', 'c'};

class FileSinkInAFolder : public testing::Test {
 protected:
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

TEST_F(FileSinkInAFolder, KeepsACompleteFileUnderItsPath) {
  {
    auto sink = FileSink::in_folder(folder_.string(), "/sub/name");
    ASSERT_TRUE(sink);
    EXPECT_EQ(sink->write(kBytes), "");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "sub/name"));
    EXPECT_EQ(sink->complete(), "");
  }
  EXPECT_EQ(read("sub/name"), "abc");
}

TEST_F(FileSinkInAFolder, RemovesAFileThatIsNotComplete) {
  {
    auto sink = FileSink::in_folder(folder_.string(), "/name");
    ASSERT_TRUE(sink);
    EXPECT_EQ(sink->write(kBytes), "");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(FileSinkInAFolder, RefusesPathsOutOfTheFolder) {
  for (const char* const path : {"/../name", "/sub/../../name", "..", "/", "", "/sub/"}) {
    EXPECT_FALSE(FileSink::in_folder(folder_.string(), path)) << path;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(FileSinkInAFolder, NeverLeavesTheFolderForAPathWithTwoSlashes) {
  auto sink = FileSink::in_folder(folder_.string(), "//name");
  ASSERT_TRUE(sink);
  EXPECT_EQ(sink->complete(), "");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "name"));
}

}  // namespace
}  // namespace knul::cli
