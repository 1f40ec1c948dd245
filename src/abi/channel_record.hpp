// A channel that a handle of the program names.
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
  server::ClosedInForks closed_in_forks;  // a forked child must not keep the wake socket open
};

}  // namespace knul::abi
