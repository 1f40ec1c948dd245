// A UDP proxy on the loopback interface between one client and one server, with a delay and random loss in
// both directions. It counts what it forwards and drops.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "posix/file_descriptor.hpp"

namespace knul::test {

class UdpProxy {
 public:
  struct Path {
    std::chrono::nanoseconds delay{};  // of each direction
    double loss = 0;                   // the share of datagrams that are dropped in each direction
    unsigned seed = 0;
  };
  // Of one direction.
  struct Counts {
    std::atomic<std::uint64_t> received{0};  // datagrams, including dropped ones
    std::atomic<std::uint64_t> received_bytes{0};
    std::atomic<std::uint64_t> dropped{0};
    std::atomic<std::uint64_t> dropped_bytes{0};
  };

  // To a server on 127.0.0.1. Aborts the process if no socket can be opened.
  UdpProxy(std::uint16_t server_port, const Path& path);
  ~UdpProxy();
  UdpProxy(const UdpProxy&) = delete;
  UdpProxy& operator=(const UdpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const Counts& up() const { return up_.counts; }      // to the server
  [[nodiscard]] const Counts& down() const { return down_.counts; }  // to the client
  void set_loss(double share) { loss_ = share; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Clock::time_point due;
    std::vector<char> bytes;
  };
  struct Direction {
    Counts counts;
    std::deque<Waiting> waiting;
  };

  void run();
  void receive(int from, Direction& direction, sockaddr_in* sender);
  void forward(Direction& direction, int to, const sockaddr_in* receiver);
  [[nodiscard]] int wait_ms() const;

  const std::chrono::nanoseconds delay_;
  std::atomic<double> loss_;
  std::mt19937 random_;
  posix::FileDescriptor client_side_;
  posix::FileDescriptor server_side_;
  std::uint16_t port_ = 0;
  sockaddr_in client_{};  // the sender of the last datagram of the client
  Direction up_;
  Direction down_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace knul::test
