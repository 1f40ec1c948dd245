// How UdpSocket sends: it passes trains to sendmmsg and handles each errno.
#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "stats/worker_counters.hpp"
#include "udp/control_messages.hpp"
#include "udp/udp_socket.hpp"

namespace knul::udp {
namespace {

constexpr std::size_t kMessagesPerCall = 64;
constexpr std::uint32_t kMaxSegments = 64;  // UDP_MAX_SEGMENTS before Linux 6.9
constexpr base::Duration kNoBufferPause = std::chrono::milliseconds(1);

// The arguments of one sendmmsg. Not initialized, because most calls use few of the entries.
struct SendCall {
  std::array<mmsghdr, kMessagesPerCall> headers;
  std::array<iovec, kMessagesPerCall> vectors;
  std::array<SendControl, kMessagesPerCall> controls;
  std::array<std::uint32_t, kMessagesPerCall> packets;
  std::size_t count;
};

void append_source(ControlWriter& control, const base::SocketAddress& local) {
  if (local.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.ip_bytes().data(), sizeof(info.ipi_spec_dst));
    control.append(IPPROTO_IP, IP_PKTINFO, info);
  } else if (local.is_v6()) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.ip_bytes().data(), sizeof(info.ipi6_addr));
    info.ipi6_ifindex = reinterpret_cast<const sockaddr_in6*>(local.data())->sin6_scope_id;
    control.append(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

void append_ecn(ControlWriter& control, const base::Train& train) {
  if (train.ecn == base::Ecn::kNotEct) {
    return;
  }
  const int mark = static_cast<int>(train.ecn);
  if (train.path.remote.is_v6()) {
    control.append(IPPROTO_IPV6, IPV6_TCLASS, mark);
  } else {
    control.append(IPPROTO_IP, IP_TOS, mark);
  }
}

// How many of the `rest_bytes` of a train one message can carry.
std::uint32_t message_bytes(const base::Train& train, std::uint32_t rest_bytes, bool with_gso) {
  const std::uint32_t segments =
      with_gso ? std::clamp<std::uint32_t>(base::SendBatch::kLargestTrainBytes / train.segment_bytes, 1,
                                           kMaxSegments)
               : 1;
  return std::min(rest_bytes, segments * train.segment_bytes);
}

struct SendOptions {
  bool with_gso;
  bool with_ecn;
  bool with_source;
};

void append_message(SendCall& call, const base::Train& train, std::span<const std::uint8_t> bytes,
                    SendOptions options) {
  const std::size_t i = call.count++;
  call.vectors[i] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  call.packets[i] =
      static_cast<std::uint32_t>((bytes.size() + train.segment_bytes - 1) / train.segment_bytes);
  msghdr& header = call.headers[i].msg_hdr;
  header = {};
  header.msg_name = const_cast<sockaddr*>(train.path.remote.data());
  header.msg_namelen = train.path.remote.size();
  header.msg_iov = &call.vectors[i];
  header.msg_iovlen = 1;
  ControlWriter control(header, call.controls[i]);
  if (options.with_source) {
    append_source(control, train.path.local);
  }
  if (options.with_ecn) {
    append_ecn(control, train);
  }
  if (call.packets[i] > 1) {
    control.append(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(train.segment_bytes));
  }
}

void fill(SendCall& call, const base::SendBatch& batch, const SendCursor& cursor, SendOptions usual) {
  call.count = 0;
  std::uint32_t sent_bytes = cursor.sent_bytes;
  SendOptions options = usual;
  options.with_gso = usual.with_gso && cursor.gso_error == 0;
  options.with_ecn = usual.with_ecn && cursor.ecn_error == 0;
  for (const base::Train& train : batch.trains().subspan(cursor.train)) {
    while (sent_bytes < train.length_bytes) {
      if (call.count == kMessagesPerCall) {
        return;
      }
      const std::uint32_t length = message_bytes(train, train.length_bytes - sent_bytes, options.with_gso);
      append_message(call, train, batch.bytes(train).subspan(sent_bytes, length), options);
      sent_bytes += length;
    }
    sent_bytes = 0;
    options = usual;
  }
}

// Moves the cursor past `bytes` that were sent or dropped.
void advance(SendCursor& cursor, const base::SendBatch& batch, std::size_t bytes) {
  cursor.sent_bytes += static_cast<std::uint32_t>(bytes);
  if (cursor.sent_bytes == batch.trains()[cursor.train].length_bytes) {
    cursor = {.train = cursor.train + 1};
  }
}

void drop_rest_of_train(SendCursor& cursor) { cursor = {.train = cursor.train + 1}; }

void count_error(stats::WorkerCounters& counters) {
  counters.udp_send_errors.add();
  counters.errors.add();
}

}  // namespace

SendResult UdpSocket::send(const base::SendBatch& batch, SendCursor& cursor,
                           stats::WorkerCounters& counters) {
  // An error of an earlier packet (ICMP) fails the call for this train. The train is sent again, at most this
  // often.
  constexpr int kMaxForeignErrors = 8;
  int foreign_errors = 0;
  SendCall call;
  while (cursor.train < batch.trains().size()) {
    const SocketFeatures usable = features();
    fill(call, batch, cursor, {usable.gso, usable.ecn, is_wildcard_});
    const int sent = calls_->send(fd(), call.headers.data(), static_cast<unsigned>(call.count));
    const int error = errno;
    counters.udp_send_calls.add();
    if (sent > 0) {
      confirm_refusals(cursor, counters);
      for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) {
        counters.udp_datagrams_sent.add(call.packets[i]);
        counters.udp_bytes_sent.add(call.vectors[i].iov_len);
        advance(cursor, batch, call.vectors[i].iov_len);
      }
      continue;
    }
    if (error == EAGAIN) {
      counters.udp_send_would_block.add();
      return {SendStatus::kAwaitWritable, base::Duration{0}};
    }
    if (error == ENOBUFS || error == ENOMEM) {
      counters.udp_send_would_block.add();
      return {SendStatus::kRetryAfter, kNoBufferPause};
    }
    if ((error == EINTR || error == ECONNREFUSED) && ++foreign_errors <= kMaxForeignErrors) {
      continue;
    }
    const bool was_train = call.packets[0] > 1;
    const bool was_marked =
        usable.ecn && cursor.ecn_error == 0 && batch.trains()[cursor.train].ecn != base::Ecn::kNotEct;
    if (was_train && (error == EIO || error == EINVAL)) {
      cursor.gso_error = error;
    } else if (was_marked && (error == EINVAL || error == EPERM || error == EACCES || error == EOPNOTSUPP)) {
      cursor.ecn_error = error;
    } else if (error == EMSGSIZE) {
      counters.udp_packets_dropped_emsgsize.add(call.packets[0]);
      advance(cursor, batch, call.vectors[0].iov_len);
    } else {
      count_error(counters);
      drop_rest_of_train(cursor);
    }
  }
  return {};
}

// Called after a send that succeeded. EIO and EINVAL for a train mean that GSO does not work, or that the
// path does not work (its source address is gone, its MTU has shrunk). If a packet of the train could be sent
// alone, GSO was refused. The same applies to ECN marks, which some kernels and packet filters refuse. If a
// packet could be sent only alone and without its mark, the refusal of GSO is not confirmed.
void UdpSocket::confirm_refusals(const SendCursor& cursor, stats::WorkerCounters& counters) {
  const auto warn = [&](base::LogKind kind, const char* what, int error, const char* consequence) {
    log_->write(base::LogLevel::kWarning, kind, [&] {
      return std::string(what) + " refused on " + local_address_.to_string() + ": " +
             std::generic_category().message(error) + consequence;
    });
  };
  if (cursor.ecn_error != 0) {
    if (shared_->ecn.exchange(false, std::memory_order_relaxed)) {
      counters.udp_ecn_fallbacks.add();
      warn(base::LogKind::kEcn, "ECN marks", cursor.ecn_error, "; sending without marks from now on");
    }
  } else if (cursor.gso_error != 0 && shared_->gso.exchange(false, std::memory_order_relaxed)) {
    counters.udp_gso_fallbacks.add();
    warn(base::LogKind::kGso, "segmentation offload (GSO)", cursor.gso_error,
         "; sending packet by packet from now on");
  }
}

}  // namespace knul::udp
