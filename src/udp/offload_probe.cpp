#include "udp/offload_probe.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "posix/clock.hpp"
#include "stats/worker_counters.hpp"

namespace knul::udp {
namespace {

constexpr std::size_t kPackets = 8;
constexpr std::size_t kPacketBytes = 1'200;
constexpr base::Duration kLongestWait = std::chrono::seconds(1);

// What arrived of one train.
struct Arrival {
  std::size_t datagrams = 0;
  std::size_t marked = 0;
  std::uint64_t trains = 0;
};

// A signal does not end the wait.
bool wait_readable(const UdpSocket& socket, SocketCalls& calls, base::Instant deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::monotonic_now());
    if (left.count() <= 0) {
      return false;
    }
    const int ready = calls.wait_readable(socket.fd(), static_cast<int>(left.count()));
    if (ready >= 0 || errno != EINTR) {
      return ready == 1;
    }
  }
}

// Ends at an error of the socket, because a socket with an error counts as readable.
Arrival receive_train(UdpSocket& receiver, SocketCalls& calls) {
  stats::WorkerCounters counters;
  ReceiveBatch batch;
  Arrival arrival;
  const base::Instant deadline = posix::monotonic_now() + kLongestWait;
  while (arrival.datagrams < kPackets && counters.udp_receive_errors.load() == 0 &&
         wait_readable(receiver, calls, deadline)) {
    (void)receiver.receive(batch, counters);
    while (const base::ReceivedDatagram* datagram = batch.next()) {
      ++arrival.datagrams;
      arrival.marked += datagram->ecn == base::Ecn::kEct0 && datagram->payload.size() == kPacketBytes ? 1 : 0;
    }
  }
  arrival.trains = counters.udp_gro_trains_received.load();
  return arrival;
}

// The socket buffer is empty, so the kernel accepts the train at once.
Arrival pass_train(UdpSocket& sender, UdpSocket& receiver, SocketCalls& calls) {
  stats::WorkerCounters counters;
  base::SendBatch batch({.buffer_bytes = 2 * kPackets * kPacketBytes});
  for (std::size_t i = 0; i < kPackets; ++i) {
    std::ranges::fill(batch.room().first(kPacketBytes), static_cast<std::uint8_t>(i));
    batch.commit({sender.local_address(), receiver.local_address()}, base::Ecn::kEct0, kPacketBytes);
  }
  SendCursor cursor;
  (void)sender.send(batch, cursor, counters);
  return receive_train(receiver, calls);
}

base::Result<UdpSocket> open_on_loopback(SocketOptions options, base::LogSink& log, SocketCalls& calls) {
  options.sharing = PortSharing::kExclusive;
  options.address = *base::SocketAddress::parse("127.0.0.1", 0);
  auto socket = UdpSocket::open(options, log, calls);
  if (socket || socket.error().kind != base::ErrorKind::kNetwork) {
    return socket;
  }
  options.address = *base::SocketAddress::parse("::1", 0);  // a system without IPv4
  return UdpSocket::open(options, log, calls);
}

}  // namespace

base::Result<OffloadProbe> probe_offloads(const SocketOptions& wanted, base::LogSink& log,
                                          SocketCalls& calls) {
  SocketOptions plain = wanted;
  plain.use_gro = false;
  auto sender = open_on_loopback(wanted, log, calls);
  auto single = open_on_loopback(plain, log, calls);
  auto grouped = open_on_loopback(wanted, log, calls);
  for (const auto* socket : {&sender, &single, &grouped}) {
    if (!*socket) {
      return socket->error();
    }
  }
  const Arrival cut = pass_train(*sender, *single, calls);
  if (cut.datagrams == 0) {
    return base::Error{base::ErrorKind::kNetwork, "no packet from " + sender->local_address().to_string() +
                                                      " arrived at " + single->local_address().to_string() +
                                                      ", expected UDP over loopback to work"};
  }
  const Arrival joined = pass_train(*sender, *grouped, calls);
  const SocketFeatures features = sender->features();
  return OffloadProbe{.gso = features.gso && cut.datagrams == kPackets,
                      .gro = grouped->features().gro && joined.trains > 0 && joined.datagrams == kPackets,
                      .ecn = features.ecn && cut.marked == cut.datagrams,
                      .send_buffer = sender->send_buffer(),
                      .receive_buffer = sender->receive_buffer()};
}

}  // namespace knul::udp
