// What a connection sends, packet by packet: orders noted by the layer above, datagrams, then the streams in
// turn, several to a packet where they fit.
#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "quic/connection/connection.hpp"
#include "quic/connection/transport_settings.hpp"

namespace knul::quic {
namespace {

// RFC 9000 §13.2.1: what acknowledges goes along with what is sent anyway. ngtcp2 adds an ACK frame only once
// it would send one alone, an eighth of the round trip after the packet, so that an answer would leave
// without one, and a timer and a packet of its own would follow. While this lives, an ACK is due at once. The
// library reads the delay that it has promised to the peer only to time its acknowledgements, which may come
// sooner.
class AcknowledgesNow {
 public:
  explicit AcknowledgesNow(ngtcp2_conn* conn)
      // Not a copy but what the library works with, in memory that is not const.
      : delay_(const_cast<ngtcp2_transport_params*>(ngtcp2_conn_get_local_transport_params(conn))
                   ->max_ack_delay),
        promised_(std::exchange(delay_, 0)) {}
  ~AcknowledgesNow() { delay_ = promised_; }
  AcknowledgesNow(const AcknowledgesNow&) = delete;
  AcknowledgesNow& operator=(const AcknowledgesNow&) = delete;

 private:
  ngtcp2_duration& delay_;
  ngtcp2_duration promised_;
};

}  // namespace

bool Connection::write(base::SendBatch& batch, base::Instant now) {
  const ngtcp2_tstamp timestamp = advance(now);
  run_stream_orders();
  if (next_to_send() != nullptr || last_now_ >= stream_credit_due_at_) {
    give_stream_credit();
  }
  const bool may_send = last_now_ >= next_packet_at_;
  const std::size_t quantum = is_over() ? 0 : ngtcp2_conn_get_send_quantum(conn());
  const std::size_t packet_bytes = environment_.transport.max_udp_payload_bytes;
  std::size_t written_bytes = 0;
  bool wants_more = false;
  bool has_sent_all = false;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  base::Path to;  // `path`, converted again only when it has changed
  std::optional<AcknowledgesNow> acknowledges;
  if (is_about_to_send(packet_bytes)) {
    acknowledges.emplace(conn());
  }
  while (written_bytes < quantum && !is_over()) {
    const std::span<std::uint8_t> room = batch.room();
    if (room.size() < packet_bytes) {
      wants_more = true;
      break;
    }
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize written = write_packet(room.first(packet_bytes), &path.path, &info, timestamp);
    acknowledges.reset();  // one packet is enough, and pace() must see the library's own timers
    if (written < 0) {
      fail(static_cast<int>(written));
    }
    if (written <= 0) {
      has_sent_all = written == 0;
      break;
    }
    if (!is_same(path.path, to)) {
      to = from_ngtcp2(path.path);
    }
    batch.commit(to, static_cast<base::Ecn>(info.ecn), static_cast<std::size_t>(written));
    environment_.counters.packets_sent.add();
    written_bytes += static_cast<std::size_t>(written);
    wants_more = written_bytes >= quantum;
  }
  note_held_frames(may_send, has_sent_all, written_bytes);
  bytes_sent_ += written_bytes;
  notify_datagram_writable();
  if (written_bytes > 0) {
    note_activity();
    pace(timestamp, has_sent_all);
  } else if (has_sent_all) {
    pause();
  }
  return wants_more && !is_over();
}

// Whether something of the program's can leave now; what acknowledges would else go alone, and too often. Not
// before the handshake's end: until then the library may still tell the peer its parameters.
bool Connection::is_about_to_send(std::size_t packet_bytes) {
  if (!is_handshake_completed_ || is_over()) {
    return false;
  }
  const bool has_stream = next_to_send() != nullptr && ngtcp2_conn_get_max_data_left(conn()) > 0;
  return (has_stream || !datagrams_.is_empty()) && last_now_ >= next_packet_at_ &&
         ngtcp2_conn_get_cwnd_left(conn()) >= packet_bytes;
}

// Where nothing forbids a packet and none is written, the library has none to send. An acknowledgement that
// goes alone, as pacing forbids others, may leave behind what its packet asked for.
void Connection::note_held_frames(bool may_send, bool has_sent_all, std::size_t written_bytes) {
  if (!may_send) {
    may_hold_frames_ = may_hold_frames_ || written_bytes > 0;
  } else if (may_hold_frames_ && has_sent_all) {
    may_hold_frames_ =
        is_over() || ngtcp2_conn_get_cwnd_left(conn()) < environment_.transport.max_udp_payload_bytes;
  }
}

// Whether an acknowledgement waits for its time, or for something that it can go along with.
bool Connection::owes_acknowledgement() {
  const AcknowledgesNow now(conn());
  return library_expiry() <= last_now_;
}

void Connection::run_stream_orders() {
  may_hold_frames_ = may_hold_frames_ || !stream_orders_.empty();
  for (std::size_t i = 0; i < stream_orders_.size() && !is_over(); ++i) {
    const StreamOrder order = stream_orders_[i];
    const int result = order.kind == StreamOrder::Kind::kReset
                           ? ngtcp2_conn_shutdown_stream_write(conn(), 0, order.stream_id, order.code)
                           : ngtcp2_conn_shutdown_stream_read(conn(), 0, order.stream_id, order.code);
    if (result != 0) {
      fail(result);
    }
  }
  stream_orders_.clear();
}

// Bytes written, 0 when nothing may or need be sent now, or a library error.
ngtcp2_ssize Connection::write_packet(std::span<std::uint8_t> room, ngtcp2_path* path, ngtcp2_pkt_info* info,
                                      ngtcp2_tstamp now) {
  if (!datagrams_.is_empty()) {
    if (const auto written = write_datagrams(room, path, info, now)) {
      return *written;
    }
  }
  if (const auto written = write_streams(room, path, info, now)) {
    return *written;
  }
  // Acknowledgements and the like, and the end of a packet that streams left open.
  return ngtcp2_conn_writev_stream(conn(), path, info, room.data(), room.size(), nullptr,
                                   NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0, now);
}

// nullopt: the packet may still take stream data.
std::optional<ngtcp2_ssize> Connection::write_datagrams(std::span<std::uint8_t> room, ngtcp2_path* path,
                                                        ngtcp2_pkt_info* info, ngtcp2_tstamp now) {
  while (!datagrams_.is_empty()) {
    const UnsentDatagram& datagram = datagrams_.front();
    if (datagram.expires_at <= last_now_ || datagram.bytes.size() > max_datagram_bytes()) {
      drop_front_datagram();
      continue;
    }
    const ngtcp2_vec vector{datagram.bytes.data(), datagram.bytes.size()};
    int is_accepted = 0;
    const ngtcp2_ssize written =
        ngtcp2_conn_writev_datagram(conn(), path, info, room.data(), room.size(), &is_accepted,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_MORE, datagram.tag.value(), &vector, 1, now);
    if (is_accepted != 0) {
      pop_datagram();
      environment_.counters.datagrams_sent.add();
    }
    if (written == NGTCP2_ERR_INVALID_ARGUMENT || written == NGTCP2_ERR_INVALID_STATE) {
      drop_front_datagram();  // the path or the peer takes it no longer
    } else if (written != NGTCP2_ERR_WRITE_MORE) {
      return written;
    }
  }
  return std::nullopt;
}

// nullopt: no stream has anything that may be sent; the packet may hold frames already.
std::optional<ngtcp2_ssize> Connection::write_streams(std::span<std::uint8_t> room, ngtcp2_path* path,
                                                      ngtcp2_pkt_info* info, ngtcp2_tstamp now) {
  while (Stream* const next = next_to_send()) {
    Stream& stream = *next;
    std::array<ngtcp2_vec, 16> vectors;
    const auto [count, offered] = stream.send.gather_unsent(vectors, room.size());
    const bool offers_fin = stream.is_fin_queued && offered == stream.send.unsent();
    const std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE |
                                (offers_fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE);
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize written = ngtcp2_conn_writev_stream(
        conn(), path, info, room.data(), room.size(), &taken, flags, stream.id, vectors.data(), count, now);
    if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      if (ngtcp2_conn_get_max_data_left(conn()) == 0) {
        return std::nullopt;  // the whole connection waits for MAX_DATA; the queue stays as it is
      }
      stream.is_flow_blocked = true;
      stream.unlink();
    } else if (written == NGTCP2_ERR_STREAM_SHUT_WR || written == NGTCP2_ERR_STREAM_NOT_FOUND) {
      end_sending(stream);
    } else {
      if (taken >= 0) {
        after_stream_write(stream, taken, offered, offers_fin);
      }
      if (written != NGTCP2_ERR_WRITE_MORE) {
        return written;
      }
    }
  }
  return std::nullopt;
}

void Connection::after_stream_write(Stream& stream, ngtcp2_ssize taken, std::size_t offered,
                                    bool offered_fin) {
  stream.send.mark_sent(static_cast<std::size_t>(taken));
  const bool sent_fin = offered_fin && static_cast<std::size_t>(taken) == offered;
  stream.is_fin_sent = stream.is_fin_sent || sent_fin;
  StreamQueue& queue = queue_of(stream);
  assert(&queue.front() == &stream);  // see next_to_send()
  if (!stream.has_something_to_send()) {
    stream.unlink();
  } else if (stream.is_incremental && &queue.back() != &stream) {
    queue.splice(queue.end(), queue, queue.begin());  // the others' turn
  }
  if (sent_fin) {
    environment_.observer.on_stream_fin_sent(*this, stream);
  }
}

}  // namespace knul::quic
