#include "server/log_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "posix/file_descriptor.hpp"

namespace knul::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongest{20'000};

class LogWriterOnADescriptor : public testing::Test {
 protected:
  LogWriterOnADescriptor() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = posix::FileDescriptor(ends[0]);
    pipe_ = posix::FileDescriptor(ends[1]);
  }

  // Without a reader the writer gives up at once, and its thread no longer uses the pipe.
  void TearDown() override {
    reader_.reset();
    for (LogWriter* const writer : writers_) {
      writer->flush(kLongest);
    }
  }

  // Never destroyed, see LogWriter. LeakSanitizer finds them through the list.
  LogWriter& new_writer(int fd) {
    static auto* const all = new std::vector<LogWriter*>;
    return *writers_.emplace_back(all->emplace_back(new LogWriter(fd, LogFormat::kText)));
  }

  // Fills the pipe, so that the next write waits for a reader.
  void fill_pipe() {
    const int flags = ::fcntl(pipe_.value(), F_GETFL);
    ::fcntl(pipe_.value(), F_SETFL, flags | O_NONBLOCK);
    const std::string junk(4'096, '.');
    while (::write(pipe_.value(), junk.data(), junk.size()) > 0) {
    }
    ::fcntl(pipe_.value(), F_SETFL, flags);
  }

  // Reads until the text arrives, at most kLongest.
  std::string read_until(const std::string& wanted) {
    std::string got;
    const auto end = std::chrono::steady_clock::now() + kLongest;
    while (got.find(wanted) == std::string::npos && std::chrono::steady_clock::now() < end) {
      pollfd ready{reader_.value(), POLLIN, 0};
      if (::poll(&ready, 1, 100) > 0) {
        char bytes[4'096];
        const ssize_t count = ::read(reader_.value(), bytes, sizeof bytes);
        got.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
      }
    }
    return got;
  }

  posix::FileDescriptor reader_;
  posix::FileDescriptor pipe_;
  std::vector<LogWriter*> writers_;
};

std::uint64_t sum_of_notices(const std::string& text) {
  static constexpr std::string_view kNotice = " messages omitted";
  std::uint64_t sum = 0;
  for (std::size_t at = text.find(kNotice); at != std::string::npos; at = text.find(kNotice, at + 1)) {
    sum += std::stoull(text.substr(text.rfind(' ', at - 1) + 1));
  }
  return sum;
}

LogRecord message(std::string text) {
  return {base::LogLevel::kWarning, base::LogKind::kLog, std::move(text), 0, {}};
}

TEST_F(LogWriterOnADescriptor, WritesALineWithItsTime) {
  LogWriter& log = new_writer(pipe_.value());
  log.put(message("the text"));
  const std::string line = read_until("\n");
  EXPECT_TRUE(testing::Matcher<std::string>(
                  testing::ContainsRegex(
                      "^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-9:.]+Z knul warning server: the text\n$"))
                  .Matches(line))
      << line;
}

TEST_F(LogWriterOnADescriptor, NeverWaitsForADescriptorThatTakesNothingAndCountsWhatItDrops) {
  fill_pipe();
  LogWriter& log = new_writer(pipe_.value());
  constexpr std::uint64_t kMessages = 1'000;
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    log.put(message("message " + std::to_string(i)));
  }
  // All messages except those in the queue and one that the thread may have taken.
  EXPECT_GE(log.dropped(), kMessages - LogWriter::kMaxQueued - 1);
  // One line reports all drops, or two if the thread reached the first message late.
  const std::uint64_t dropped = log.dropped();
  std::string got;
  while (sum_of_notices(got) < dropped) {
    const std::string more = read_until(" messages omitted");
    ASSERT_FALSE(more.empty());
    got += more;
  }
  EXPECT_EQ(sum_of_notices(got), dropped);
}

TEST_F(LogWriterOnADescriptor, CountsTheMessagesThatAPipeWithoutAReaderRefusesAndLives) {
  reader_.reset();
  LogWriter& log = new_writer(pipe_.value());
  log.put(message("nobody reads this"));
  log.flush(kLongest);
  EXPECT_EQ(log.dropped(), 1U);
}

TEST_F(LogWriterOnADescriptor, CountsTheMessagesForAClosedDescriptor) {
  LogWriter& log = new_writer(1'000'000);
  log.put(message("nowhere"));
  log.flush(kLongest);
  EXPECT_EQ(log.dropped(), 1U);
}

TEST_F(LogWriterOnADescriptor, WaitsForRoomOnADescriptorThatTheHostMadeNonBlocking) {
  ::fcntl(pipe_.value(), F_SETFL, O_NONBLOCK);
  LogWriter& log = new_writer(pipe_.value());
  const std::string text(LogWriter::kMaxTextBytes, 'x');
  for (int i = 0; i < 100; ++i) {  // three times the capacity of a pipe
    log.put(message(text));
  }
  log.put(message("the last one"));
  EXPECT_NE(read_until("the last one\n").find("the last one\n"), std::string::npos);
  EXPECT_EQ(log.dropped(), 0U);
}

TEST_F(LogWriterOnADescriptor, CutsALongText) {
  LogWriter& log = new_writer(pipe_.value());
  log.put(message(std::string(100'000, 'x')));
  EXPECT_LT(read_until("\n").size(), LogWriter::kMaxTextBytes + 100);
}

TEST_F(LogWriterOnADescriptor, GivesUpAFlushOfADescriptorThatTakesNothing) {
  fill_pipe();
  LogWriter& log = new_writer(pipe_.value());
  log.put(message("message"));
  log.flush(milliseconds(1));  // a hang fails the test by its timeout
}

TEST_F(LogWriterOnADescriptor, GivesMessagesToAHandlerOneAtATimeInPlaceOfTheDescriptor) {
  LogWriter& log = new_writer(pipe_.value());
  std::vector<std::string> seen;  // without a lock: calls never overlap
  log.set_handler([&](const LogRecord& record) {
    seen.push_back(record.text);
    return true;
  });
  for (int i = 0; i < 100; ++i) {
    log.put(message(std::to_string(i)));
  }
  log.flush(kLongest);
  log.set_handler(nullptr);
  ASSERT_EQ(seen.size(), 100U);
  EXPECT_EQ(seen.front(), "0");
  EXPECT_EQ(seen.back(), "99");
  log.put(message("for the descriptor"));
  EXPECT_NE(read_until("\n").find("for the descriptor"), std::string::npos);
}

TEST_F(LogWriterOnADescriptor, WritesWhatAHandlerDoesNotTakeToTheDescriptor) {
  LogWriter& log = new_writer(pipe_.value());
  log.set_handler([](const LogRecord& record) { return record.text == "taken"; });
  log.put(message("taken"));
  log.put(message("refused"));
  const std::string written = read_until("\n");
  EXPECT_NE(written.find("refused"), std::string::npos);
  EXPECT_EQ(written.find("taken"), std::string::npos);
  EXPECT_EQ(log.dropped(), 0U);
}

TEST_F(LogWriterOnADescriptor, CatchesAndCountsTheExceptionsOfAHandler) {
  LogWriter& log = new_writer(pipe_.value());
  log.set_handler([](const LogRecord&) -> bool { throw 1; });
  log.put(message("for nobody"));
  log.flush(kLongest);
  EXPECT_EQ(log.dropped(), 1U);
}

TEST_F(LogWriterOnADescriptor, DoesNotCallAHandlerAfterItsReplacementHasReturned) {
  LogWriter& log = new_writer(pipe_.value());
  std::atomic<bool> is_inside = false;
  std::atomic<bool> may_return = false;
  auto calls = std::make_unique<int>(0);
  log.set_handler([&](const LogRecord&) {
    is_inside = true;
    is_inside.notify_all();
    may_return.wait(false);
    ++*calls;
    return true;
  });
  log.put(message("one"));
  is_inside.wait(false);
  std::thread replacing([&] {
    log.set_handler(nullptr);
    EXPECT_GE(*calls, 1);
    calls.reset();  // AddressSanitizer finds a later call
  });
  log.put(message("two"));
  may_return = true;
  may_return.notify_all();
  replacing.join();
  log.flush(kLongest);
}

TEST_F(LogWriterOnADescriptor, LetsAHandlerLogAndReplaceItself) {
  LogWriter& log = new_writer(pipe_.value());
  log.set_handler([&](const LogRecord&) {
    log.set_handler(nullptr);
    log.put(message("from the handler"));
    return true;
  });
  log.put(message("one"));
  EXPECT_NE(read_until("\n").find("from the handler"), std::string::npos);
}

}  // namespace
}  // namespace knul::server
