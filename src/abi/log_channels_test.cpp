#include "abi/log_channels.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "channel/worker_part_test_support.hpp"
#include "server/log_sink.hpp"

namespace knul::abi {
namespace {

// A channel with one worker that does not run, so that messages stay in its mailbox.
struct Listener {
  Listener() { channel->begin_worker(0, worker); }
  [[nodiscard]] std::uint32_t messages() const {
    channel::Mailbox& mailbox = channel->core().mailboxes[0];
    const std::lock_guard lock(mailbox.mutex);
    return mailbox.log_messages;
  }

  channel::StubWorker worker;
  std::shared_ptr<channel::Channel> channel =
      std::make_shared<channel::Channel>(channel::make_core(), std::weak_ptr<channel::Hub>());
};

TEST(LogChannels, ReceiveNothingAfterTheProgramHasSetAHandler) {
  static LogChannels channels;
  Listener first;
  Listener second;
  channels.add(first.channel);
  server::set_process_log_handler([](const server::LogRecord&) { return true; });
  channels.add(second.channel);
  server::process_log().write(base::LogLevel::kError, base::LogKind::kLog, [] { return "a message"; });
  while (second.messages() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(first.messages(), 0U) << "the first channel would have received the message before the second";
}

TEST(LogChannels, AllReceiveEachMessage) {
  static LogChannels channels;
  server::set_process_log_handler({});
  Listener first;
  Listener second;
  channels.add(first.channel);
  channels.add(second.channel);
  channels.add(second.channel);
  server::process_log().write(base::LogLevel::kError, base::LogKind::kLog, [] { return "a message"; });
  while (second.messages() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(first.messages(), 1U);
  EXPECT_EQ(second.messages(), 1U);
}

}  // namespace
}  // namespace knul::abi
