// Virtual time and the wires between hosts. Everything here follows from the seed; TLS adds randomness of
// its own (keys, signatures of varying length), so a run repeats its network, not its bytes. KNUL_SIM_TRACE=1
// prints every datagram that arrives.
#pragma once

#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "link.hpp"

namespace knul::sim {

class Receiver {
 public:
  virtual void receive(Datagram datagram) = 0;

 protected:
  ~Receiver() = default;
};

// A client's line to everybody else, with a NAT at its end.
struct AccessLine {
  AccessLine(Receiver& host, base::SocketAddress inside, LinkOptions up_options, LinkOptions down_options,
             std::uint64_t seed)
      : receiver(host),
        inside_address(inside),
        outside_address(inside),
        up(std::move(up_options), seed * 2),
        down(std::move(down_options), seed * 2 + 1) {}

  Receiver& receiver;
  base::SocketAddress inside_address;
  base::SocketAddress outside_address;
  Link up;
  Link down;
};

// Thread: one. Lifetime: longer than the hosts; receivers live as long as it runs.
class Network {
 public:
  explicit Network(std::uint64_t seed)
      : is_traced_(std::getenv("KNUL_SIM_TRACE") != nullptr), random_(seed) {}

  [[nodiscard]] base::Instant now() const { return now_; }
  [[nodiscard]] std::uint64_t next_seed() { return random_(); }
  void at(base::Instant when, std::function<void()> action);
  void after(base::Duration delay, std::function<void()> action) { at(now_ + delay, std::move(action)); }

  // A host without a line of its own: what reaches it has passed its peer's line.
  void attach(const base::SocketAddress& address, Receiver& receiver) { hosts_[key(address)] = &receiver; }
  AccessLine& attach(const base::SocketAddress& address, Receiver& receiver, LinkOptions up,
                     LinkOptions down);
  // The NAT forgets the old address: what is still sent there is lost.
  void rebind(AccessLine& line, const base::SocketAddress& outside);

  void send(Datagram datagram);

  // Runs until `is_done`, for at most `limit` of virtual time. False: it was not done by then.
  bool run_until(const std::function<bool()>& is_done, base::Duration limit);
  void run_for(base::Duration duration) {
    run_until([] { return false; }, duration);
  }

 private:
  using Key = std::array<std::uint8_t, 18>;
  struct Event {
    base::Instant when;
    std::uint64_t sequence;
    std::function<void()> action;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
    }
  };

  static Key key(const base::SocketAddress& address);
  void deliver(Datagram datagram);
  void trace(const Datagram& datagram) const;

  static constexpr base::Instant kBegin{std::chrono::hours(1)};

  const bool is_traced_;
  base::Instant now_ = kBegin;
  std::mt19937_64 random_;
  std::uint64_t next_sequence_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::map<Key, Receiver*> hosts_;
  std::map<Key, AccessLine*> lines_by_inside_;
  std::map<Key, AccessLine*> lines_by_outside_;
  std::vector<std::unique_ptr<AccessLine>> lines_;
};

}  // namespace knul::sim
