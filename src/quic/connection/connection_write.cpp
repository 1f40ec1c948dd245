// How a connection sends: first the deferred requests of the layer above, then packets with DATAGRAMs, then
// with the streams in turn; several fit into one packet.
#include <algorithm>
#include <cassert>
#include <optional>

#include "quic/connection/connection.hpp"
#include "quic/connection/connection_callbacks.hpp"
#include "quic/connection/connection_qlog_notes.hpp"
#include "quic/connection/transport_settings.hpp"

namespace knul::quic {
namespace {

// Builds with assertions count the frames of every packet, which checks ResendWatch.
#ifdef NDEBUG
constexpr bool kCountsAllFrames = false;
#else
constexpr bool kCountsAllFrames = true;
#endif

}  // namespace

bool Connection::write(base::SendBatch& batch, base::Instant now) {
  advance(now);
  if (has_ended()) {
    return false;
  }
  limits_.note_socket(environment_.socket_full, now, environment_.counters);
  if (const int error = streams_.run_deferred(); error != 0) {
    fail_if(error);
    return false;
  }
  streams_.grant_due_credit();
  const std::uint64_t stream_bytes_before = streams_.sent_bytes();
  const std::uint64_t window_before = library_.congestion_window_left();
  using Frames = WritingScope::Frames;
  const bool counts_frames = kCountsAllFrames || resend_watch_.may_resend();
  const WritingScope scope(counts_frames ? Frames::kCounted : Frames::kNotCounted, qlog_.get());
  const WrittenRound round = write_round(batch);
  library_.note_written(round);
  bytes_sent_ += round.bytes;
  datagrams_.notify_writable();
  if (round.bytes > 0) {
    // A probe beyond the congestion window does not change what is left of it.
    if (library_.congestion_window_left() < window_before || probes_in_a_row_ > 0) {
      last_in_flight_at_ = library_.now();
    }
    if (counts_frames) {
      count_sent(scope.frames(), streams_.sent_bytes() - stream_bytes_before);
    }
    note_activity();
    library_.pace(round.has_sent_all);
    if (qlog_ != nullptr) [[unlikely]] {
      note_metrics(*qlog_, library_);
    }
  } else if (round.has_sent_all && is_handshake_confirmed_ && streams_.count() == 0 &&
             !datagrams_.has_unsent()) {
    library_.try_pause();
  }
  limits_.change(round.wants_more ? SendLimit::kWorker : send_limit(), now, environment_.counters);
  return round.wants_more && !has_ended();
}

WrittenRound Connection::write_round(base::SendBatch& batch) {
  WrittenRound round{.might_send = library_.may_send()};
  const std::size_t quantum = library_.send_quantum();
  const std::size_t packet_bytes = environment_.transport.max_udp_payload_bytes;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  base::Path to;  // `path`, converted again only after a change
  std::optional<LibraryConnection::ImmediateAcknowledgement> acknowledges;
  if (is_about_to_send()) {
    acknowledges.emplace(library_);
  }
  while (round.bytes < quantum && !has_ended()) {
    const std::span<std::uint8_t> room = batch.room();
    if (room.size() < packet_bytes) {
      round.wants_more = true;
      break;
    }
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize written = write_packet({room.first(packet_bytes), &path.path, &info});
    acknowledges.reset();  // one ACK is enough, and pace() must see the library's own timers
    if (written <= 0) {
      fail_if(static_cast<int>(written));
      if (qlog_ != nullptr) [[unlikely]] {
        qlog_->end_datagram(0, library_.now());
      }
      round.has_sent_all = written == 0;
      break;
    }
    if (!is_same(path.path, to)) {
      to = from_ngtcp2(path.path);
    }
    batch.commit(to, static_cast<base::Ecn>(info.ecn), static_cast<std::size_t>(written));
    environment_.counters.packets_sent.add();
    if (qlog_ != nullptr) [[unlikely]] {
      qlog_->end_datagram(static_cast<std::size_t>(written), library_.now());
    }
    ++counts_.packets_sent;
    round.bytes += static_cast<std::size_t>(written);
    round.wants_more = round.bytes >= quantum;
  }
  return round;
}

// Stream bytes in packets that the streams did not give in this round were lost and are sent again.
void Connection::count_sent(const SentFrames& frames, std::uint64_t new_stream_bytes) {
  environment_.counters.streams_reset_sent.add(frames.resets);
  const std::uint64_t resent = frames.stream_bytes - std::min(frames.stream_bytes, new_stream_bytes);
  counts_.stream_bytes_resent += resent;
  environment_.counters.stream_bytes_resent.add(resent);
  assert(resend_watch_.may_resend() || (resent == 0 && frames.resets == 0));
}

SendLimit Connection::send_limit() {
  const bool has_datagram = datagrams_.has_unsent();
  if (!has_datagram && !streams_.has_something_to_send()) {
    const SendLimit limit = streams_.limit();
    return limit == SendLimit::kSendMemory && !has_congestion_window() ? SendLimit::kCongestionWindow : limit;
  }
  if (!has_datagram && library_.max_data_left() == 0) {
    return SendLimit::kConnectionWindow;
  }
  if (!has_congestion_window()) {
    return SendLimit::kCongestionWindow;
  }
  return library_.may_send() ? SendLimit::kWorker : SendLimit::kPacing;
}

// True when a packet with program data can leave now. It then carries the acknowledgements, which would
// otherwise leave alone and more often. False before the end of the handshake: until then a packet may still
// carry the library's transport parameters.
bool Connection::is_about_to_send() {
  if (!is_handshake_completed_) {
    return false;
  }
  const bool has_stream = streams_.has_something_to_send() && library_.max_data_left() > 0;
  return (has_stream || datagrams_.has_unsent()) && library_.may_send() && has_congestion_window();
}

// Returns the bytes written, 0 when nothing can or need be sent now, or a library error.
ngtcp2_ssize Connection::write_packet(const PacketRoom& room) {
  if (datagrams_.has_unsent()) {
    if (const auto written = datagrams_.write(room)) {
      return *written;
    }
  }
  if (const auto written = streams_.write(room)) {
    return *written;
  }
  return library_.write_rest(room);
}

}  // namespace knul::quic
