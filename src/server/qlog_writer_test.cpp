#include "server/qlog_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "support/temporary_folder.h"

namespace knul::server {
namespace {

using base::QlogOutcome;
using std::chrono::milliseconds;

constexpr milliseconds kLongest{20'000};

class RecordingLog final : public base::LogSink {
 public:
  std::mutex gate;  // while it is locked, a message waits

  [[nodiscard]] std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 protected:
  bool admit(base::LogLevel, base::LogKind kind) noexcept override { return kind == base::LogKind::kQlog; }
  void put(base::LogLevel, base::LogKind, std::string_view text) override {
    const std::lock_guard wait(gate);
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(text);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class QlogFolder : public testing::Test {
 protected:
  // Waits for the writer's thread, which uses the log and the folder, also after a stop that did not wait for
  // it.
  void TearDown() override {
    writer_->stop(kLongest);
    const auto end = std::chrono::steady_clock::now() + kLongest;
    while (writer_.use_count() > 1 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    ASSERT_EQ(writer_.use_count(), 1) << "the thread has not ended";
  }

  void start(QlogLimits limits = {1 << 20, 1 << 20}) {
    writer_ = *QlogWriter::start(posix::FileDescriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY)),
                                 folder_.string(), limits, log_);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Writes records of `bytes` bytes until the file accepts no more.
  static std::size_t fill(base::QlogFile& file, std::size_t bytes) {
    const std::string record = std::string(bytes - 1, 'x') + "\n";
    std::size_t accepted = 0;
    while (file.write(record) == QlogOutcome::kAccepted) {
      ++accepted;
    }
    return accepted;
  }

  RecordingLog log_;
  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::shared_ptr<QlogWriter> writer_;
};

TEST_F(QlogFolder, HoldsTheRecordsOfEachFileInOrder) {
  start();
  {
    const auto one = writer_->open("one");
    const auto two = writer_->open("two");
    for (const char* record : {"a\n", "b\n", "c\n"}) {
      EXPECT_EQ(one->write(record), QlogOutcome::kAccepted);
      EXPECT_EQ(two->write(std::string("2") + record), QlogOutcome::kAccepted);
    }
  }
  writer_->stop(kLongest);
  EXPECT_EQ(content("one"), "a\nb\nc\n");
  EXPECT_EQ(content("two"), "2a\n2b\n2c\n");
  EXPECT_EQ(writer_->figures().files, 2U);
  EXPECT_EQ(writer_->figures().bytes, 15U);
}

TEST_F(QlogFolder, HoldsFilesThatOnlyTheirOwnerCanRead) {
  start();
  const mode_t before = ::umask(0);
  ASSERT_EQ(writer_->open("file")->write("x\n"), QlogOutcome::kAccepted);
  writer_->stop(kLongest);
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(path("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(QlogFolder, KeepsFilesAndLinksThatAreThere) {
  start();
  std::ofstream(path("there")) << "earlier";
  std::filesystem::create_symlink(path("target"), path("link"));
  for (const char* name : {"there", "link"}) {
    std::ignore = writer_->open(name)->write("x\n");
  }
  writer_->stop(kLongest);
  EXPECT_EQ(content("there"), "earlier");
  EXPECT_FALSE(std::filesystem::exists(path("target")));
  EXPECT_EQ(writer_->figures().files_failed, 2U);
  EXPECT_EQ(writer_->figures().events_dropped, 2U);
  ASSERT_EQ(log_.lines().size(), 1U) << "one line for each error";
  EXPECT_NE(log_.lines()[0].find("File exists"), std::string::npos) << log_.lines()[0];
}

TEST_F(QlogFolder, HasNoFileWithoutARecord) {
  start({4'096, 100});
  const auto file = writer_->open("empty");
  EXPECT_EQ(file->write(std::string(200, 'x')), QlogOutcome::kFull);
  file->write_last("the last\n");
  writer_->stop(kLongest);
  EXPECT_FALSE(std::filesystem::exists(path("empty")));
}

TEST_F(QlogFolder, KeepsTheSizeOfAFileAndRoomForItsLastRecord) {
  start({10'000, 1 << 20});
  {
    const auto file = writer_->open("file");
    EXPECT_EQ(fill(*file, 100), (10'000 - QlogWriter::kLastRecordBytes) / 100);
    file->write_last("the last\n");
  }
  writer_->stop(kLongest);
  EXPECT_LE(content("file").size(), 10'000U);
  EXPECT_TRUE(content("file").ends_with("x\nthe last\n"));
}

TEST_F(QlogFolder, KeepsTheSizeOfAllFilesAndRoomForTheirLastRecords) {
  constexpr std::size_t kTotal = 20'000;
  start({1 << 20, kTotal});
  {
    std::vector<std::unique_ptr<base::QlogFile>> files;
    for (const char* name : {"one", "two", "three"}) {
      files.push_back(writer_->open(name));
      ASSERT_EQ(files.back()->write("x\n"), QlogOutcome::kAccepted);
    }
    fill(*files[0], 100);
    for (const auto& file : files) {
      file->write_last(std::string(QlogWriter::kLastRecordBytes - 1, 'l') + "\n");
    }
  }
  writer_->stop(kLongest);
  const std::size_t size = content("one").size() + content("two").size() + content("three").size();
  EXPECT_LE(size, kTotal);
  EXPECT_GT(size, kTotal - 200);
  EXPECT_TRUE(content("three").ends_with("l\n"));
}

// The limit of the process's files stands for a full disk. The writer's thread blocks SIGXFSZ.
TEST_F(QlogFolder, EndsAFileWithAWholeRecordWhenTheDiskIsFull) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1'050, before.rlim_max};
  start();
  const auto file = writer_->open("file");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  while (file->write(std::string(99, 'x') + "\n") == QlogOutcome::kAccepted) {
    std::this_thread::yield();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(file->write("after\n"), QlogOutcome::kFull);
  writer_->stop(kLongest);
  EXPECT_EQ(content("file").size() % 100, 0U);
  EXPECT_LE(content("file").size(), 1'050U);
  EXPECT_EQ(writer_->figures().files_failed, 1U);
  EXPECT_GT(writer_->figures().events_dropped, 0U);
  ASSERT_EQ(log_.lines().size(), 1U);
}

// The thread waits in the log, as it may in a file system that does not answer.
TEST_F(QlogFolder, BoundsTheRecordsThatWaitAndDropsOthers) {
  start({1 << 30, 1 << 30});
  const std::unique_lock blocked(log_.gate);
  std::ofstream(path("there")) << "earlier";
  ASSERT_EQ(writer_->open("there")->write("x\n"), QlogOutcome::kAccepted);
  const auto greedy = writer_->open("greedy");
  const std::size_t most = fill(*greedy, 4'096);
  EXPECT_LE(most * 4'096, QlogWriter::kMostQueuedBytes / 2 + 4'096);
  EXPECT_GT(most * 4'096, QlogWriter::kMostQueuedBytes / 4);
  EXPECT_EQ(greedy->write(std::string(4'096, 'x')), QlogOutcome::kDropped);
  EXPECT_EQ(writer_->open("other")->write("y\n"), QlogOutcome::kAccepted)
      << "one file leaves room for others";
  EXPECT_GE(writer_->figures().events_dropped, 2U);
}

TEST_F(QlogFolder, EndsAStopAtItsTimeoutAndALaterOneAtOnceWhenTheThreadHangs) {
  start();
  const std::unique_lock blocked(log_.gate);
  std::ofstream(path("there")) << "earlier";
  ASSERT_EQ(writer_->open("there")->write("x\n"), QlogOutcome::kAccepted);
  writer_->stop(milliseconds(1));
  writer_->stop(std::chrono::hours(1));  // the thread has had its time
}

TEST_F(QlogFolder, HoldsTheRecordsOfManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kFiles = 20;
  constexpr int kRecords = 200;
  start({1 << 30, 1 << 30});
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> accepted{0};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kFiles; ++i) {
        const auto file = writer_->open(std::to_string(thread * kFiles + i));
        for (int record = 0; record < kRecords; ++record) {
          accepted += file->write("record\n") == QlogOutcome::kAccepted ? 1 : 0;
        }
        std::ignore = writer_->figures();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  writer_->stop(kLongest);
  std::uint64_t written = 0;
  for (int file = 0; file < kThreads * kFiles; ++file) {
    written += content(std::to_string(file)).size() / 7;
  }
  EXPECT_EQ(written, accepted.load());
  EXPECT_EQ(writer_->figures().bytes, accepted.load() * 7);
  EXPECT_EQ(accepted.load() + writer_->figures().events_dropped, std::uint64_t{kThreads} * kFiles * kRecords);
}

}  // namespace
}  // namespace knul::server
