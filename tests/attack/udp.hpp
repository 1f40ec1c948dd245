// A UDP socket on an address of 127.0.0.0/8. Errors end the program: there is no test without sockets.
#pragma once

#include <chrono>

#include "bytes.hpp"

namespace knul::attack {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// 127.0.HOST, both in host byte order. The oracle uses 127.0.0.1, attackers others.
struct Address {
  std::uint16_t host = 1;
  std::uint16_t port = 0;
  friend bool operator==(const Address&, const Address&) = default;
};

inline constexpr std::uint16_t kAttackerHost = 0x0102;  // 127.0.1.2

class Udp {
 public:
  explicit Udp(std::uint16_t host = kAttackerHost);
  Udp(Udp&& other) noexcept;
  Udp& operator=(Udp&&) = delete;
  ~Udp();

  [[nodiscard]] Address local() const;
  // Waits while the socket's buffer is full.
  void send(Address to, View datagram) const;
  // In as few system calls as possible.
  void send_all(Address to, std::span<const Bytes> datagrams) const;
  // Empty after `timeout` without one. `from` may be null.
  [[nodiscard]] std::optional<Bytes> receive(std::chrono::milliseconds timeout,
                                             Address* from = nullptr) const;

 private:
  int descriptor_;
};

}  // namespace knul::attack
