// The channels of the process that take the messages of the log.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "channel/channel.hpp"
#include "server/log_format.hpp"

namespace knul::abi {

// Thread: all functions from any thread. Lifetime: never destroyed, because the log keeps a reference.
class LogChannels {
 public:
  // From then on the channel gets the messages. Replaces the log's handler. Throws std::bad_alloc.
  void add(const std::shared_ptr<channel::Channel>& channel);
  void remove(const channel::Channel& channel);

 private:
  // False: no channel took the message. Throws std::bad_alloc.
  bool give(const server::LogRecord& record);

  std::mutex mutex_;
  std::vector<std::weak_ptr<channel::Channel>> channels_;
};

}  // namespace knul::abi
