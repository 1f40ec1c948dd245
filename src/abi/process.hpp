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
#include "channel/hub.hpp"
#include "server/pinned_slots.hpp"

namespace knul::abi {

// Which built-in service a server was started with.
struct ServiceChoice {
  std::string name = "none";
  std::string root;
};

// Thread: all functions from any thread.
// Lifetime: made by the first call, never destroyed, so that a host may exit without a stop and its atexit
// handlers may still call in.
class Process {
 public:
  // Throws std::bad_alloc, and tries again at the next call.
  static Process& instance();

  using ChannelSlots = server::PinnedSlots<ChannelRecord>;

  [[nodiscard]] krepis::ServerRegistry& registry() { return registry_; }
  [[nodiscard]] ChannelSlots& channels() { return channels_; }

  // Starts to keep what belongs to a handle. Returns the 8 bytes of start's result. Lifetime: until forget.
  const std::uint8_t* remember(std::uint64_t handle, ServiceChoice service,
                               std::shared_ptr<channel::Hub> hub);
  [[nodiscard]] std::optional<ServiceChoice> service_of(std::uint64_t handle) const;
  // Null for a server with a built-in service, or none.
  [[nodiscard]] std::shared_ptr<channel::Hub> hub_of(std::uint64_t handle) const;
  // True for one caller until give_up_stop: who stops this server.
  [[nodiscard]] bool claim_stop(std::uint64_t handle);
  void give_up_stop(std::uint64_t handle);
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
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Record> records_;  // a map, because its values never move
};

}  // namespace knul::abi
