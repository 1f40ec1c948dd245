#include "udp/receive_batch.hpp"

#include <algorithm>

#include "udp/control_messages.hpp"

namespace knul::udp {
namespace {

void set_local_ip(base::SocketAddress& local, const in_pktinfo& info) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(local.port());
  // ipi_spec_dst is the address to answer from, also for a broadcast; some paths leave it empty.
  address.sin_addr = info.ipi_spec_dst.s_addr != 0 ? info.ipi_spec_dst : info.ipi_addr;
  local = base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

void set_local_ip(base::SocketAddress& local, const in6_pktinfo& info) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(local.port());
  address.sin6_addr = info.ipi6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
    address.sin6_scope_id = info.ipi6_ifindex;
  }
  local = base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

base::Ecn ecn_of(int traffic_class) { return static_cast<base::Ecn>(traffic_class & 3); }

bool is_type(const cmsghdr& message, int level, int type) {
  return message.cmsg_level == level && message.cmsg_type == type;
}

}  // namespace

ReceiveBatch::ReceiveBatch(std::size_t messages)
    : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(messages * kMessageBytes)),
      headers_(messages),
      vectors_(messages),
      names_(messages),
      controls_(messages) {
  trains_.reserve(messages);
  for (std::size_t i = 0; i < messages; ++i) {
    vectors_[i] = {buffer_.get() + i * kMessageBytes, kMessageBytes};
    headers_[i].msg_hdr = {};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = controls_[i].bytes.data();
  }
}

const base::ReceivedDatagram* ReceiveBatch::next() {
  if (rest_.empty()) {
    if (next_train_ == trains_.size()) {
      return nullptr;
    }
    const Train& train = trains_[next_train_++];
    current_ = train.whole;
    rest_ = train.whole.payload;
    segment_bytes_ = train.segment_bytes;
  }
  current_.payload = rest_.first(std::min(segment_bytes_, rest_.size()));
  rest_ = rest_.subspan(current_.payload.size());
  return &current_;
}

std::span<mmsghdr> ReceiveBatch::prepare() {
  for (mmsghdr& header : headers_) {
    header.msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    header.msg_hdr.msg_controllen = sizeof(Control);
  }
  trains_.clear();
  next_train_ = 0;
  rest_ = {};
  return headers_;
}

ReceiveBatch::Tally ReceiveBatch::accept(std::size_t messages, const base::SocketAddress& bound) {
  Tally tally;
  for (std::size_t i = 0; i < messages; ++i) {
    const msghdr& header = headers_[i].msg_hdr;
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      ++tally.truncated;
      continue;
    }
    const std::size_t length = headers_[i].msg_len;
    Train& train = trains_.emplace_back();
    train.whole.path.local = bound;
    train.whole.path.remote =
        base::SocketAddress::from_sockaddr(static_cast<const sockaddr*>(header.msg_name), header.msg_namelen);
    train.whole.payload = {static_cast<const std::uint8_t*>(vectors_[i].iov_base), length};
    read_controls(header, train, tally);
    if (train.segment_bytes == 0) {
      train.segment_bytes = length;  // not a train
    }
    const std::size_t segments = length == 0 ? 1 : (length + train.segment_bytes - 1) / train.segment_bytes;
    tally.datagrams += segments;
    tally.bytes += length;
    tally.trains += segments > 1 ? 1 : 0;
  }
  return tally;
}

void ReceiveBatch::read_controls(const msghdr& header, Train& train, Tally& tally) const {
  auto* mutable_header = const_cast<msghdr*>(&header);  // CMSG_NXTHDR accepts no const
  for (cmsghdr* c = CMSG_FIRSTHDR(mutable_header); c != nullptr; c = CMSG_NXTHDR(mutable_header, c)) {
    if (is_type(*c, SOL_UDP, UDP_GRO)) {
      train.segment_bytes = static_cast<std::size_t>(control_value<int>(*c));
    } else if (is_type(*c, IPPROTO_IP, IP_TOS)) {
      train.whole.ecn = ecn_of(control_value<std::uint8_t>(*c));
    } else if (is_type(*c, IPPROTO_IPV6, IPV6_TCLASS)) {
      train.whole.ecn = ecn_of(control_value<int>(*c));
    } else if (is_type(*c, IPPROTO_IP, IP_PKTINFO)) {
      set_local_ip(train.whole.path.local, control_value<in_pktinfo>(*c));
    } else if (is_type(*c, IPPROTO_IPV6, IPV6_PKTINFO)) {
      set_local_ip(train.whole.path.local, control_value<in6_pktinfo>(*c));
    } else if (is_type(*c, SOL_SOCKET, SO_RXQ_OVFL)) {
      tally.kernel_drops = control_value<std::uint32_t>(*c);  // the count when this message was queued
    }
  }
}

}  // namespace knul::udp
