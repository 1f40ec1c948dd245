#include "abi/log_channels.hpp"

#include <krepis/krepis.h>

#include <algorithm>
#include <string_view>

#include "server/log_sink.hpp"

namespace knul::abi {
namespace {

static_assert(static_cast<int>(base::LogLevel::kTrace) == KREPIS_LOG_TRACE &&
              static_cast<int>(base::LogLevel::kDebug) == KREPIS_LOG_DEBUG &&
              static_cast<int>(base::LogLevel::kInfo) == KREPIS_LOG_INFO &&
              static_cast<int>(base::LogLevel::kWarning) == KREPIS_LOG_WARNING &&
              static_cast<int>(base::LogLevel::kError) == KREPIS_LOG_ERROR);

}  // namespace

// Thread: all functions from any thread.
class LogChannels::List {
 public:
  void add(const std::shared_ptr<channel::Channel>& channel) {
    const std::lock_guard lock(mutex_);
    erase(*channel);
    channels_.push_back(channel);
  }
  void remove(const channel::Channel& channel) {
    const std::lock_guard lock(mutex_);
    erase(channel);
  }
  // False: no channel accepted the message. Throws std::bad_alloc.
  bool give(const server::LogRecord& record) {
    const std::vector<std::weak_ptr<channel::Channel>> channels = copy();
    if (channels.empty()) {
      return false;
    }
    const std::string line = server::line_of(record, server::LogFormat::kJson);
    const std::string_view json = std::string_view(line).substr(0, line.size() - 1);  // without the newline
    bool is_accepted = false;
    for (const auto& known : channels) {
      if (const auto channel = known.lock()) {
        is_accepted = channel->put_log(static_cast<std::uint8_t>(record.level), json) || is_accepted;
      }
    }
    return is_accepted;
  }

 private:
  std::vector<std::weak_ptr<channel::Channel>> copy() {
    const std::lock_guard lock(mutex_);
    return channels_;
  }
  // Also erases channels that no longer exist. Requires mutex_.
  void erase(const channel::Channel& channel) {
    std::erase_if(channels_, [&](const auto& known) {
      const auto locked = known.lock();
      return locked == nullptr || locked.get() == &channel;
    });
  }

  std::mutex mutex_;
  std::vector<std::weak_ptr<channel::Channel>> channels_;
};

// Waits for a running handler of the program, which must not call this function.
void LogChannels::add(const std::shared_ptr<channel::Channel>& channel) {
  const std::lock_guard lock(mutex_);
  if (const auto list = list_.lock()) {
    return list->add(channel);
  }
  const auto list = std::make_shared<List>();
  list->add(channel);
  server::set_process_log_handler([list](const server::LogRecord& record) { return list->give(record); });
  list_ = list;
}

void LogChannels::remove(const channel::Channel& channel) {
  const std::lock_guard lock(mutex_);
  if (const auto list = list_.lock()) {
    list->remove(channel);
  }
}

}  // namespace knul::abi
