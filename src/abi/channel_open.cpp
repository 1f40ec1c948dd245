#include "abi/channel_open.hpp"

#include <bit>
#include <cstring>
#include <string>

#include "abi/call_guard.hpp"
#include "abi/channel_pin.hpp"
#include "abi/lifecycle.hpp"
#include "server/log_sink.hpp"

namespace knul::abi {
namespace {

using krepis::Error;
using krepis::ErrorCode;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kLongestPath = 107;  // sun_path of unix(7), and its NUL

Error out_of_range(const char* field, std::uint64_t value, const char* expected) {
  return {ErrorCode::kInvalidRequest,
          std::string(field) + " is " + std::to_string(value) + ", expected " + expected};
}

krepis::Result<std::string> read_wake_path(const FfiChannelConfig& config) {
  const FfiBuffer& path = config.wake_path;
  const bool is_wanted = config.wake == KREPIS_WAKE_PATH;
  if (!is_wanted) {
    if (path.data != nullptr || path.len != 0 || path.cap != 0) {
      return Error{ErrorCode::kInvalidRequest,
                   "wake_path is given, expected none unless wake is KREPIS_WAKE_PATH"};
    }
    return std::string();
  }
  if (path.len == 0 || path.len > kLongestPath) {
    return out_of_range("wake_path.len", path.len, "1 to 107");
  }
  if (path.data == nullptr || path.cap < path.len) {
    return Error{ErrorCode::kInvalidRequest,
                 "wake_path.data is null or wake_path.cap is below wake_path.len"};
  }
  std::string text(reinterpret_cast<const char*>(path.data), path.len);
  if (text.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidRequest, "wake_path contains a NUL, expected none"};
  }
  return text;
}

krepis::Result<channel::Settings> read_config(const FfiChannelConfig& config) {
  channel::Settings settings;
  if (config.arena_bytes != 0) {
    settings.arena_bytes = config.arena_bytes;
  }
  if (config.ring_records != 0) {
    settings.ring_records = config.ring_records;
  }
  if (config.queue_bytes != 0) {
    settings.queue_bytes = config.queue_bytes;
  }
  if (settings.arena_bytes < kMiB || settings.arena_bytes > 2'048 * kMiB) {
    return out_of_range("arena_bytes", settings.arena_bytes, "0 or 1 MiB to 2 GiB");
  }
  if (!std::has_single_bit(settings.ring_records) || settings.ring_records < 64 ||
      settings.ring_records > 1'048'576) {
    return out_of_range("ring_records", settings.ring_records, "0 or a power of two from 64 to 1048576");
  }
  if (settings.queue_bytes < 4'096 || settings.queue_bytes > 256 * kMiB) {
    return out_of_range("queue_bytes", settings.queue_bytes, "0 or 4 KiB to 256 MiB");
  }
  if (config.wake > KREPIS_WAKE_PATH) {
    return out_of_range("wake", config.wake, "a KrepisWake");
  }
  if (const std::uint32_t timeout = config.consumer_timeout_ms; timeout != 0) {
    settings.consumer_timeout = std::chrono::milliseconds(timeout);
    if (timeout != KREPIS_CONSUMER_TIMEOUT_NEVER && (timeout < 500 || timeout > 3'600'000)) {
      return out_of_range("consumer_timeout_ms", timeout, "0, 500 to 3600000, or 4294967295");
    }
  }
  settings.wake = static_cast<channel::WakeKind>(config.wake);
  auto path = read_wake_path(config);
  if (!path) {
    return std::move(path).error();
  }
  settings.wake_path = *std::move(path);
  return settings;
}

// Closes the channel unless the program got a handle of it.
class Unclaimed {
 public:
  explicit Unclaimed(channel::Channel& opened) : channel_(&opened) {}
  ~Unclaimed() {
    if (channel_ != nullptr) {
      (void)channel_->close();
    }
  }
  Unclaimed(const Unclaimed&) = delete;
  Unclaimed& operator=(const Unclaimed&) = delete;
  void claim() { channel_ = nullptr; }

 private:
  channel::Channel* channel_;
};

FfiResponse open_on(Process& process, std::uint64_t server, channel::Settings settings,
                    FfiChannelRegion* region) {
  const auto pin = process.registry().find(server);
  if (!pin) {
    return unknown_handle(server);
  }
  const auto hub = process.hub_of(server);
  if (!hub) {
    return failure(ErrorCode::kInvalidRequest,
                   "the server runs a built-in service, expected service \"none\"");
  }
  settings.datagram_queue =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(pin->options().datagram_queue, 1U << 20));
  settings.on_log_messages_lost = &server::count_lost_log_messages;
  auto opened = hub->open(std::move(settings));
  if (!opened) {
    return failure(opened.error());
  }
  const std::shared_ptr<channel::Channel> channel = *opened;
  Unclaimed unclaimed(*channel);
  auto record = std::make_unique<ChannelRecord>(channel);
  const auto handle = process.channels().insert(record);
  if (!handle) {
    return failure(ErrorCode::kConcurrencyLimitExceeded, "this process has 1,024 open channels, the maximum");
  }
  unclaimed.claim();
  FfiChannelRegion filled{};
  channel->describe(filled);
  filled.channel = static_cast<std::uint32_t>(*handle);
  *region = filled;
  return success();
}

}  // namespace

FfiResponse open_channel(Process& process, std::uint64_t server, const FfiChannelConfig* config,
                         FfiChannelRegion* region) {
  if (region == nullptr) {
    return failure(ErrorCode::kInvalidPointer, "region is null, expected a pointer to an FfiChannelRegion");
  }
  if (!is_aligned(region) || (config != nullptr && !is_aligned(config))) {
    return failure(ErrorCode::kMemoryAlignment, "config or region is not aligned to 8 bytes");
  }
  auto settings = read_config(config != nullptr ? *config : FfiChannelConfig{});
  if (!settings) {
    return failure(settings.error());
  }
  return open_on(process, server, *std::move(settings), region);
}

FfiResponse unmap_channel(Process& process, std::uint32_t handle) {
  {
    const ChannelPin pin(process, handle);
    if (!pin) {
      return unknown_channel(handle);
    }
    if (!pin->can_be_unmapped()) {
      return failure(ErrorCode::kInvalidContext,
                     "the channel is open and its server runs; close the channel or stop the server first");
    }
    (void)pin->close();  // it may be open after a stop, and a waiting call would keep the region
  }
  return process.channels().take(handle) ? success() : unknown_channel(handle);
}

FfiResponse set_channel_log(Process& process, std::uint32_t handle, std::uint32_t enabled) {
  if (enabled > 1) {
    return failure(ErrorCode::kInvalidRequest, "enabled is " + std::to_string(enabled) + ", expected 0 or 1");
  }
  std::shared_ptr<channel::Channel> channel;
  if (const ChannelPin pin(process, handle); pin) {
    channel = pin.shared();
  }
  if (channel == nullptr || !channel->is_open()) {
    return unknown_channel(handle);
  }
  // Without the pin, because this waits for a running handler of the log, which may call the library.
  if (enabled == 1) {
    process.log_channels().add(channel);
  } else {
    process.log_channels().remove(*channel);
  }
  return success();
}

FfiResponse unknown_channel(std::uint32_t handle) {
  return failure(ErrorCode::kInvalidPointer,
                 "handle " + std::to_string(handle) + " does not name an open channel");
}

}  // namespace knul::abi
