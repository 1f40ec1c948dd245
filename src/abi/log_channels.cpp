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

void LogChannels::add(const std::shared_ptr<channel::Channel>& channel) {
  remove(*channel);
  {
    const std::lock_guard lock(mutex_);
    channels_.push_back(channel);
  }
  // Not under the lock, because it waits for a running handler, which may be give().
  server::set_process_log_handler([this](const server::LogRecord& record) { return give(record); });
}

void LogChannels::remove(const channel::Channel& channel) {
  const std::lock_guard lock(mutex_);
  std::erase_if(channels_, [&](const auto& known) {
    const auto locked = known.lock();
    return locked == nullptr || locked.get() == &channel;
  });
}

bool LogChannels::give(const server::LogRecord& record) {
  std::vector<std::weak_ptr<channel::Channel>> channels;
  {
    const std::lock_guard lock(mutex_);
    channels = channels_;
  }
  if (channels.empty()) {
    return false;
  }
  const std::string line = server::line_of(record, server::LogFormat::kJson);
  const std::string_view json = std::string_view(line).substr(0, line.size() - 1);  // without the newline
  bool is_taken = false;
  for (const auto& known : channels) {
    if (const auto channel = known.lock()) {
      is_taken = channel->put_log(static_cast<std::uint8_t>(record.level), json) || is_taken;
    }
  }
  return is_taken;
}

}  // namespace knul::abi
