// One direction of a path: what happens to a datagram between two hosts. All chances come from the link's
// own seeded generator, in the order in which datagrams enter it.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "base/datagram.hpp"
#include "base/time.hpp"

namespace knul::sim {

struct Datagram {
  base::SocketAddress from;
  base::SocketAddress to;
  base::Ecn ecn = base::Ecn::kNotEct;
  std::vector<std::uint8_t> bytes;
};

// Chances are between 0 and 1, each drawn for every datagram.
struct LinkOptions {
  base::Duration delay = std::chrono::milliseconds(15);
  std::uint64_t rate_bits_per_second = 0;  // 0: no limit and no queue
  std::size_t queue_bytes = 25 * 1'500;    // beyond, the newest is dropped
  double loss = 0;
  unsigned most_lost_in_a_row = ~0U;
  double duplicated = 0;
  double delayed = 0;  // by `extra_delay`: overtaken by what comes behind
  base::Duration extra_delay = std::chrono::milliseconds(10);
  double corrupted = 0;            // one bit of one of the first 50 bytes
  std::size_t mtu_bytes = 65'527;  // of UDP payload; larger datagrams are dropped
  bool keeps_ecn = true;
  double marked_ce = 0;  // of those that are capable
  // Off during [first, second).
  std::vector<std::pair<base::Instant, base::Instant>> blackholes;
  // True drops the datagram. `index` counts from 1 what enters the link.
  std::function<bool(std::uint64_t index, std::span<const std::uint8_t> bytes)> drops;
};

struct LinkStatistics {
  std::uint64_t entered = 0;
  std::uint64_t entered_bytes = 0;
  std::uint64_t dropped = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t delayed = 0;
  std::uint64_t marked_ect0 = 0;  // as they entered
};

// Thread: one.
class Link {
 public:
  using Arrival = std::function<void(base::Instant at, Datagram datagram)>;

  Link(LinkOptions options, std::uint64_t seed) : options_(std::move(options)), random_(seed) {}

  // Calls `arrive` for every copy that gets through.
  void carry(Datagram datagram, base::Instant now, const Arrival& arrive);
  [[nodiscard]] const LinkStatistics& statistics() const { return statistics_; }
  // For impairments that begin or end in mid-flight.
  [[nodiscard]] LinkOptions& options() { return options_; }

 private:
  [[nodiscard]] bool happens(double chance);
  [[nodiscard]] bool is_lost(const Datagram& datagram, base::Instant now);
  // When the last byte has left, or kNever when the queue is full.
  [[nodiscard]] base::Instant pass_queue(std::size_t bytes, base::Instant now);
  void impair(Datagram& datagram);

  LinkOptions options_;
  std::mt19937_64 random_;
  LinkStatistics statistics_;
  base::Instant busy_until_{};
  unsigned lost_in_a_row_ = 0;
};

}  // namespace knul::sim
