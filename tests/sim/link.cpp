#include "link.hpp"

#include <algorithm>

namespace knul::sim {

void Link::carry(Datagram datagram, base::Instant now, const Arrival& arrive) {
  ++statistics_.entered;
  statistics_.entered_bytes += datagram.bytes.size();
  statistics_.marked_ect0 += datagram.ecn == base::Ecn::kEct0 ? 1 : 0;
  if (is_lost(datagram, now)) {
    ++statistics_.dropped;
    return;
  }
  const base::Instant left = pass_queue(datagram.bytes.size(), now);
  if (left == base::kNever) {
    ++statistics_.dropped;
    return;
  }
  impair(datagram);
  base::Instant at = left + options_.delay;
  if (happens(options_.delayed)) {
    ++statistics_.delayed;
    at += options_.extra_delay;
  }
  if (happens(options_.duplicated)) {
    ++statistics_.duplicated;
    arrive(at + options_.extra_delay / 2, datagram);
  }
  arrive(at, std::move(datagram));
}

bool Link::happens(double chance) {
  return chance > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < chance;
}

bool Link::is_lost(const Datagram& datagram, base::Instant now) {
  const auto is_off = [&](const auto& hole) { return now >= hole.first && now < hole.second; };
  if (datagram.bytes.size() > options_.mtu_bytes || std::ranges::any_of(options_.blackholes, is_off)) {
    return true;
  }
  if (options_.drops && options_.drops(statistics_.entered, datagram.bytes)) {
    return true;
  }
  const bool is_lost = happens(options_.loss) && lost_in_a_row_ < options_.most_lost_in_a_row;
  lost_in_a_row_ = is_lost ? lost_in_a_row_ + 1 : 0;
  return is_lost;
}

base::Instant Link::pass_queue(std::size_t bytes, base::Instant now) {
  if (options_.rate_bits_per_second == 0) {
    return now;
  }
  const auto time_for = [&](std::size_t count) {
    return base::Duration(
        static_cast<std::int64_t>(count * 8 * 1'000'000'000 / options_.rate_bits_per_second));
  };
  busy_until_ = std::max(busy_until_, now);
  if (busy_until_ - now + time_for(bytes) > time_for(options_.queue_bytes)) {
    return base::kNever;
  }
  busy_until_ += time_for(bytes);
  return busy_until_;
}

void Link::impair(Datagram& datagram) {
  if (!options_.keeps_ecn) {
    datagram.ecn = base::Ecn::kNotEct;
  } else if (datagram.ecn != base::Ecn::kNotEct && happens(options_.marked_ce)) {
    datagram.ecn = base::Ecn::kCe;
  }
  if (happens(options_.corrupted)) {
    ++statistics_.corrupted;
    const std::size_t index = random_() % std::min<std::size_t>(50, datagram.bytes.size());
    datagram.bytes[index] ^= static_cast<std::uint8_t>(1U << random_() % 8);
  }
}

}  // namespace knul::sim
