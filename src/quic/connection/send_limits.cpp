#include "quic/connection/send_limits.hpp"

#include <chrono>
#include <numeric>
#include <utility>

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::array<stats::Counter stats::WorkerCounters::*, kSendLimits> kCounters = {
    &stats::WorkerCounters::send_limited_us_application,
    &stats::WorkerCounters::send_limited_us_congestion_window,
    &stats::WorkerCounters::send_limited_us_pacing,
    &stats::WorkerCounters::send_limited_us_connection_window,
    &stats::WorkerCounters::send_limited_us_stream_window,
    &stats::WorkerCounters::send_limited_us_stream_limit,
    &stats::WorkerCounters::send_limited_us_send_memory,
    &stats::WorkerCounters::send_limited_us_socket,
    &stats::WorkerCounters::send_limited_us_worker,
};

}  // namespace

void SendLimitTimes::charge(SendLimit limit, base::Instant until, stats::WorkerCounters& counters) {
  const auto index = static_cast<std::size_t>(limit);
  until = std::max(until, since_);
  const base::Duration from_epoch = until.time_since_epoch();
  const base::Duration before = std::exchange(since_, until).time_since_epoch();
  (counters.*kCounters[index]).add(static_cast<std::uint64_t>(from_epoch / 1us - before / 1us));
  std::uint64_t spent = to_ticks(from_epoch) - to_ticks(before);
  while (spent_[index] + spent > UINT32_MAX) {
    std::ranges::for_each(spent_, [](std::uint32_t& ticks) { ticks /= 2; });
    spent /= 2;
  }
  spent_[index] += static_cast<std::uint32_t>(spent);
}

void SendLimitTimes::charge_socket(std::uint32_t total_ticks, base::Instant now,
                                   stats::WorkerCounters& counters) {
  const std::uint32_t full = total_ticks - std::exchange(socket_ticks_, total_ticks);  // modulo 2^32
  const base::Duration most = std::max(now - since_, base::Duration::zero());
  // A connection that began to wait while the socket was full has waited only since then.
  charge(current_, now - std::min(most, base::Duration(std::int64_t{full} << 16)), counters);
  charge(SendLimit::kSocket, now, counters);
}

SendLimitTimes::Shares SendLimitTimes::shares(base::Instant now) const {
  std::array<std::uint64_t, kSendLimits> times{};
  std::ranges::copy(spent_, times.begin());
  const base::Instant until = std::max(now, since_);
  times[static_cast<std::size_t>(current_)] +=
      to_ticks(until.time_since_epoch()) - to_ticks(since_.time_since_epoch());
  const auto sum = static_cast<double>(std::accumulate(times.begin(), times.end(), std::uint64_t{0}));
  Shares shares{};
  if (sum == 0) {
    shares[static_cast<std::size_t>(current_)] = 1;
    return shares;
  }
  std::ranges::transform(times, shares.begin(),
                         [&](std::uint64_t ticks) { return static_cast<double>(ticks) / sum; });
  return shares;
}

}  // namespace knul::quic
