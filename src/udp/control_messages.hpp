// Writes and reads control messages (cmsg(3)), the properties of a datagram beside its payload.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace knul::udp {

inline constexpr std::size_t kSendControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t));

struct SendControl {
  alignas(cmsghdr) std::array<std::uint8_t, kSendControlBytes> bytes;
};

// Appends control messages to a message header. Lifetime: header and buffer outlive the writer.
class ControlWriter {
 public:
  ControlWriter(msghdr& header, SendControl& buffer) : header_(header), buffer_(buffer.bytes.data()) {
    header_.msg_control = nullptr;
    header_.msg_controllen = 0;
  }

  template <class T>
  void append(int level, int type, const T& value) {
    assert(header_.msg_controllen + CMSG_SPACE(sizeof(T)) <= kSendControlBytes);
    auto* message = reinterpret_cast<cmsghdr*>(buffer_ + header_.msg_controllen);
    message->cmsg_level = level;
    message->cmsg_type = type;
    message->cmsg_len = CMSG_LEN(sizeof(T));
    std::memcpy(CMSG_DATA(message), &value, sizeof(T));
    header_.msg_control = buffer_;
    header_.msg_controllen += CMSG_SPACE(sizeof(T));
  }

 private:
  msghdr& header_;
  std::uint8_t* buffer_;
};

// The value of a received control message. T is the type that the kernel writes for it.
template <class T>
[[nodiscard]] T control_value(const cmsghdr& message) {
  T value{};
  const std::size_t length = message.cmsg_len - CMSG_LEN(0);
  std::memcpy(&value, CMSG_DATA(&message), length < sizeof(T) ? length : sizeof(T));
  return value;
}

}  // namespace knul::udp
