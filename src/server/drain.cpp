#include "server/drain.hpp"

#include <algorithm>
#include <utility>

namespace knul::server {
namespace {

constexpr auto kNone = static_cast<std::uint64_t>(krepis::LibraryCode::kNone);
constexpr auto kDeadline = static_cast<std::uint64_t>(krepis::LibraryCode::kDeadline);

}  // namespace

void Drain::begin(quic::Endpoint& endpoint, base::Instant now, base::Instant deadline) {
  begun_ = now;
  last_closed_ = now;
  deadline_ = deadline;
  endpoint.refuse_new_connections();
  endpoint.for_each_connection([this](quic::Connection& connection) {
    if (!connection.is_handshake_completed()) {
      using Code = quic::TransportCode;
      connection.abort(connection.is_server() ? Code::kConnectionRefused : Code::kNoError,
                       "the endpoint is stopping");
      return;
    }
    connection.streams().freeze_credit();
    close_if_idle(connection, 0);
  });
}

void Drain::close_if_idle(quic::Connection& connection, std::size_t streams_that_do_not_count) {
  if (connection.streams().count() != streams_that_do_not_count) {
    return;
  }
  if (connection.has_unsent_datagrams()) {
    waiting_for_datagrams_.push_back(connection.number());
  } else {
    connection.close(kNone, "the server is stopping");
  }
}

void Drain::note_sent(quic::Endpoint& endpoint) {
  for (const std::uint64_t number : std::exchange(waiting_for_datagrams_, {})) {
    if (quic::Connection* connection = endpoint.find_connection(number)) {
      close_if_idle(*connection, 0);
    }
  }
}

base::Instant Drain::next_expiry(const quic::Endpoint& endpoint) const {
  if (!has_begun()) {
    return base::kNever;
  }
  const bool is_lingering = endpoint.connection_count() == 0 && !endpoint.wants_send();
  return std::min({is_cut_ ? deadline_ + kLingerAfterDeadline : deadline_, next_repeat_,
                   is_lingering ? last_closed_ + kLongestLinger : base::kNever});
}

void Drain::handle_expiry(quic::Endpoint& endpoint, base::Instant now) {
  if (!has_begun()) {
    return;
  }
  if (now >= deadline_ && !is_cut_) {
    is_cut_ = true;
    endpoint.for_each_connection([this](quic::Connection& connection) { cut(connection); });
  }
  if (now >= next_repeat_) {
    endpoint.repeat_closes();
    const base::Instant next = now + repeat_interval();
    next_repeat_ = next < last_closed_ + kLongestLinger ? next : base::kNever;
  }
}

void Drain::cut(quic::Connection& connection) {
  if (connection.has_ended()) {
    return;
  }
  report_.streams_cut += connection.streams().count();
  report_.bytes_unsent += connection.streams().buffered_bytes();
  connection.close(kDeadline, "the server's drain deadline passed");
}

void Drain::note_stream_closed(quic::Connection& connection, const quic::Stream& stream) {
  if (!has_begun()) {
    return;
  }
  report_.streams_completed += stream.is_clean ? 1 : 0;
  close_if_idle(connection, 1);
}

void Drain::note_connection_closed(const quic::Connection& connection, const quic::CloseCause& cause,
                                   base::Instant now) {
  if (!has_begun()) {
    return;
  }
  ++report_.connections_closed;
  // The Application or the consumer of its channel closed the connection, or the peer made no progress while
  // memory was short. Its open streams count as cut too.
  using Source = quic::CloseCause::Source;
  const bool is_ours = cause.source == Source::kLocalApplication || cause.source == Source::kNoProgress;
  const bool is_counted = is_cut_ && cause.code == kDeadline;  // counted in cut()
  if (is_ours && !is_counted) {
    report_.streams_cut += connection.streams().count();
    report_.bytes_unsent += connection.streams().buffered_bytes();
  }
  last_closed_ = now;
  next_repeat_ = std::min(next_repeat_, now + repeat_interval());
  report_.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
}

bool Drain::is_over(const quic::Endpoint& endpoint, base::Instant now) const {
  if (!has_begun()) {
    return false;
  }
  // A CONNECTION_CLOSE needs a writable socket; a socket that is not must not delay the stop.
  if (is_cut_ && now >= deadline_ + kLingerAfterDeadline) {
    return true;
  }
  return endpoint.connection_count() == 0 && !endpoint.wants_send() &&
         (endpoint.closing_count() == 0 || now >= last_closed_ + kLongestLinger);
}

}  // namespace knul::server
