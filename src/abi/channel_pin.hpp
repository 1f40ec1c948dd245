// Pins a channel during a call. Lifetime: short, except in krepis_channel_wait, because unmap waits for pins.
#pragma once

#include "abi/process.hpp"

namespace knul::abi {

class ChannelPin {
 public:
  ChannelPin(Process& process, std::uint32_t handle) noexcept : found_(process.channels().find(handle)) {}
  ~ChannelPin() {
    if (found_.occupant != nullptr) {
      Process::ChannelSlots::unpin(*found_.count);
    }
  }
  ChannelPin(const ChannelPin&) = delete;
  ChannelPin& operator=(const ChannelPin&) = delete;

  explicit operator bool() const noexcept { return found_.occupant != nullptr; }
  [[nodiscard]] const std::shared_ptr<channel::Channel>& shared() const noexcept {
    return found_.occupant->channel;
  }
  channel::Channel* operator->() const noexcept { return found_.occupant->channel.get(); }
  channel::Channel& operator*() const noexcept { return *found_.occupant->channel; }

 private:
  Process::ChannelSlots::Found found_;
};

}  // namespace knul::abi
