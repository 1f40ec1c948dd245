#include "cli/output_writer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace knul::cli {
namespace {

// A pipe that a writer fills with one long line, so that later lines wait until the test reads.
class WaitingLines : public testing::Test {
 protected:
  static constexpr std::size_t kLong = 1 << 20;  // more than a pipe holds

  void SetUp() override {
    ASSERT_EQ(::pipe(ends_.data()), 0);
    writer_ = std::make_unique<OutputWriter>(ends_[1]);
    writer_->write(std::string(kLong, '.'), OutputWriter::Loss::kNever);
    read_to('.');  // the thread has begun to write it
  }
  void TearDown() override {
    ASSERT_TRUE(writer_->flush(std::chrono::minutes(1)));
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  // Reads up to `end`; what it has read, without the dots.
  std::string read_to(char end) const {
    std::string text;
    char byte = 0;
    while (byte != end && ::read(ends_[0], &byte, 1) == 1) {
      if (byte != '.') {
        text += byte;
      }
    }
    return text;
  }

  std::array<int, 2> ends_{};
  std::unique_ptr<OutputWriter> writer_;
};

TEST_F(WaitingLines, AreTakenBack) {
  writer_->write("old", OutputWriter::Loss::kNever);
  EXPECT_TRUE(writer_->take_back());
  writer_->write("new!", OutputWriter::Loss::kNever);
  EXPECT_EQ(read_to('!'), "new!");
}

TEST_F(WaitingLines, AreNotTakenBackOnceTheyAreBegun) {
  EXPECT_FALSE(writer_->take_back());
  writer_->write("!", OutputWriter::Loss::kNever);
  EXPECT_EQ(read_to('!'), "!");
}

}  // namespace
}  // namespace knul::cli
