#include "network.hpp"

#include <algorithm>
#include <cstdio>

namespace knul::sim {

void Network::at(base::Instant when, std::function<void()> action) {
  events_.push({std::max(when, now_), next_sequence_++, std::move(action)});
}

AccessLine& Network::attach(const base::SocketAddress& address, Receiver& receiver, LinkOptions up,
                            LinkOptions down) {
  lines_.push_back(
      std::make_unique<AccessLine>(receiver, address, std::move(up), std::move(down), random_()));
  lines_by_inside_[key(address)] = lines_.back().get();
  lines_by_outside_[key(address)] = lines_.back().get();
  return *lines_.back();
}

void Network::rebind(AccessLine& line, const base::SocketAddress& outside) {
  lines_by_outside_.erase(key(line.outside_address));
  line.outside_address = outside;
  lines_by_outside_[key(outside)] = &line;
}

void Network::send(Datagram datagram) {
  const auto source = lines_by_inside_.find(key(datagram.from));
  if (source != lines_by_inside_.end()) {
    source->second->up.carry(
        std::move(datagram), now_, [this, line = source->second](auto when, Datagram sent) {
          sent.from = line->outside_address;
          at(when, [this, sent = std::move(sent)]() mutable { deliver(std::move(sent)); });
        });
    return;
  }
  const auto target = lines_by_outside_.find(key(datagram.to));
  if (target != lines_by_outside_.end()) {
    target->second->down.carry(std::move(datagram), now_, [this](auto when, Datagram sent) {
      at(when, [this, sent = std::move(sent)]() mutable { deliver(std::move(sent)); });
    });
  }
}

void Network::trace(const Datagram& datagram) const {
  std::printf(
      "%10.3f ms %s > %s %5zu bytes:", std::chrono::duration<double, std::milli>(now_ - kBegin).count(),
      datagram.from.to_string().c_str(), datagram.to.to_string().c_str(), datagram.bytes.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(32, datagram.bytes.size()); ++i) {
    std::printf(" %02x", datagram.bytes[i]);
  }
  std::printf("\n");
}

void Network::deliver(Datagram datagram) {
  if (is_traced_) {
    trace(datagram);
  }
  const Key target = key(datagram.to);
  if (const auto line = lines_by_outside_.find(target); line != lines_by_outside_.end()) {
    datagram.to = line->second->inside_address;
    line->second->receiver.receive(std::move(datagram));
  } else if (const auto host = hosts_.find(target); host != hosts_.end()) {
    host->second->receive(std::move(datagram));
  }
}

bool Network::run_until(const std::function<bool()>& is_done, base::Duration limit) {
  const base::Instant end = now_ + limit;
  while (!is_done()) {
    if (events_.empty() || events_.top().when > end) {
      now_ = end;
      return is_done();
    }
    // The queue gives out its top as constant only; it is popped at once.
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = std::max(now_, event.when);
    event.action();
  }
  return true;
}

Network::Key Network::key(const base::SocketAddress& address) {
  Key made{};
  std::ranges::copy(address.ip_bytes(), made.begin());
  made[16] = static_cast<std::uint8_t>(address.port() >> 8);
  made[17] = static_cast<std::uint8_t>(address.port());
  return made;
}

}  // namespace knul::sim
