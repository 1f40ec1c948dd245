// The process-wide state of the C ABI: the registry of servers, the channels, and the data of each handle.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "abi/channel_record.hpp"
#include "abi/log_channels.hpp"
#include "channel/hub.hpp"
#include "server/pinned_slots.hpp"

namespace knul::abi {

// The built-in service of a server.
struct ServiceChoice {
  std::string name = "none";
  std::string root;
};

// Thread: all functions from any thread.
// Lifetime: created by the first call, never destroyed, so that a host may exit without a stop, and its
// atexit handlers may still call the library.
class Process {
 public:
  // Throws std::bad_alloc, and tries again at the next call.
  static Process& instance();

  using ChannelSlots = server::PinnedSlots<ChannelRecord>;

  [[nodiscard]] krepis::ServerRegistry& registry() { return registry_; }
  [[nodiscard]] ChannelSlots& channels() { return channels_; }
  [[nodiscard]] LogChannels& log_channels() { return log_channels_; }

  // Stores the data of a handle. Returns the 8 bytes of the handle, which are the result of a start.
  // Lifetime: until forget().
  const std::uint8_t* remember(std::uint64_t handle, ServiceChoice service,
                               std::shared_ptr<channel::Hub> hub);
  [[nodiscard]] std::optional<ServiceChoice> service_of(std::uint64_t handle) const;
  // Null: the server has a built-in service, or the handle is stale.
  [[nodiscard]] std::shared_ptr<channel::Hub> hub_of(std::uint64_t handle) const;
  // True for one caller, which then stops the server, until cancel_stop().
  [[nodiscard]] bool claim_stop(std::uint64_t handle);
  void cancel_stop(std::uint64_t handle);
  void forget(std::uint64_t handle);

 private:
  struct Record {
    std::uint64_t handle_bytes;
    ServiceChoice service;
    std::shared_ptr<channel::Hub> hub;
    bool is_stopping = false;
  };

  Process() = default;

  static constexpr unsigned kChannelHandleBits = 31;

  krepis::ServerRegistry registry_;
  ChannelSlots channels_{kChannelHandleBits};
  LogChannels log_channels_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Record> records_;  // a map, because its values never move
};

}  // namespace knul::abi
