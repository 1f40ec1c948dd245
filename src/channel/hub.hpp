// The channels of one server, which its workers and the program's threads share.
#pragma once

#include <krepis/krepis.hpp>

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "channel/channel.hpp"
#include "channel/worker_link.hpp"

namespace knul::channel {

// Thread: all functions from any thread. Lifetime: shared by the server's workers and its ABI record.
class Hub : public std::enable_shared_from_this<Hub> {
 public:
  static constexpr std::size_t kMostChannels = 64;

  // `write_bytes`: the limit of all channels together, see WriteBudget.
  explicit Hub(std::uint64_t write_bytes = WriteBudget::kDefaultBytes)
      : share_(std::make_shared<ServerShare>(write_bytes)) {}

  // Makes the Application of each worker of the server. It refuses streams while no channel is open.
  [[nodiscard]] krepis::ApplicationFactory factory();

  // Opens a channel and announces it to all workers. Errors: as krepis_channel_open.
  // Blocks: until all workers have answered, at most a second. Thread: not a worker's.
  krepis::Result<std::shared_ptr<Channel>> open(Settings settings);
  // Call when the channel is closed or broken.
  void remove(const Channel& channel);
  // From then on open() fails.
  void begin_drain();
  // The memory of all channels, including closed channels that are still mapped.
  [[nodiscard]] krepis::ApplicationMemory memory() const;
  // Call after all workers have ended.
  void publish_stopped(std::uint32_t code, std::string_view report);

  // False until the first channel opens.
  [[nodiscard]] bool has_had_channel() const { return has_had_channel_.load(std::memory_order_acquire); }

  // Returns 0 to `count` - 1 in turn, so that each of `count` channels gets the same number of connections.
  [[nodiscard]] std::size_t take_turn(std::size_t count) {
    return turn_.fetch_add(1, std::memory_order_relaxed) % count;
  }

 private:
  krepis::Result<void> add(const std::shared_ptr<Channel>& channel);
  [[nodiscard]] bool announce(const std::shared_ptr<Channel>& channel);

  const std::shared_ptr<ServerShare> share_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<WorkerLink>> links_;  // complete after the start of the server
  std::vector<std::shared_ptr<Channel>> channels_;
  std::vector<std::weak_ptr<Channel>> mapped_;  // channels_ and the closed channels that are still mapped
  bool is_draining_ = false;
  std::atomic<bool> has_had_channel_{false};
  std::atomic<std::size_t> turn_{0};
};

}  // namespace knul::channel
