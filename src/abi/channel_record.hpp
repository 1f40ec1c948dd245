// A channel that the program holds a handle of.
#pragma once

#include <memory>
#include <utility>

#include "channel/channel.hpp"
#include "server/fork_guard.hpp"

namespace knul::abi {

struct ChannelRecord {
  explicit ChannelRecord(std::shared_ptr<channel::Channel> opened)
      : channel(std::move(opened)), closed_in_forks(channel->library_end()) {}

  std::shared_ptr<channel::Channel> channel;
  server::ClosedInForks closed_in_forks;  // a child must not hold the wake socket open
};

}  // namespace knul::abi
