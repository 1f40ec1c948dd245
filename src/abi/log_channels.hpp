// The channels of the process that receive the messages of the log.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "channel/channel.hpp"
#include "server/log_format.hpp"

namespace knul::abi {

// Thread: all functions from any thread.
class LogChannels {
 public:
  // From then on the channel gets the messages. Replaces a handler of the program. Throws std::bad_alloc.
  void add(const std::shared_ptr<channel::Channel>& channel);
  // A message in delivery may still arrive after the return.
  void remove(const channel::Channel& channel);

 private:
  class List;

  std::mutex mutex_;
  // The log's handler holds the list, so that a handler of the program ends the delivery to all its channels.
  std::weak_ptr<List> list_;
};

}  // namespace knul::abi
