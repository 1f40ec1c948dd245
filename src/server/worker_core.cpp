#include "server/worker_core.hpp"

#include <utility>

#include "base/make_room.hpp"
#include "base/text.hpp"
#include "server/engine_enums.hpp"

namespace knul::server {
namespace {

using krepis::LibraryCode;

constexpr auto kApplicationError = static_cast<std::uint64_t>(LibraryCode::kApplicationError);

static_assert(quic::kNoProgressCode == static_cast<std::uint64_t>(LibraryCode::kNoProgress));

krepis::CloseReason to_public(const quic::CloseCause& cause, bool is_drain) {
  using From = quic::CloseCause::Source;
  using To = krepis::CloseReason::Source;
  const auto source = [&] {
    switch (cause.source) {
      case From::kPeerApplication:
        return To::kPeerApplication;
      case From::kPeerTransport:
        return To::kPeerTransport;
      case From::kLocalApplication:
        return To::kLocalApplication;
      case From::kLocalTransport:
        return To::kLocalTransport;
      case From::kIdleTimeout:
        return To::kIdleTimeout;
      case From::kHandshakeTimeout:
        return To::kHandshakeTimeout;
      case From::kStatelessReset:
        return To::kStatelessReset;
      case From::kNoProgress:
        return To::kLocalApplication;
      case From::kEvicted:
        return To::kLocalTransport;
    }
    return To::kLocalTransport;
  };
  return {is_drain ? To::kDrain : source(), cause.code, cause.reason};
}

// True if the client has closed its connection without an error of the protocol.
bool is_clients_choice(const quic::CloseCause& cause) {
  using Source = quic::CloseCause::Source;
  return cause.source == Source::kPeerApplication ||
         (cause.source == Source::kPeerTransport && cause.code == 0);
}

}  // namespace

WorkerCore::WorkerCore(quic::EndpointOptions options, CoreEnvironment environment,
                       std::unique_ptr<krepis::Application> application, base::Instant now)
    : environment_(std::move(environment)),
      index_(options.worker),
      is_server_(options.server_tls != nullptr),
      now_(now),
      application_(std::move(application)),
      endpoint_(std::move(options), *this, environment_.random, environment_.log, environment_.counters) {
  if (application_ != nullptr) {
    run_task([this] { application_->on_start(*this); });
  }
}

WorkerCore::~WorkerCore() = default;

std::optional<unsigned> WorkerCore::handle_datagram(const base::ReceivedDatagram& datagram,
                                                    base::Instant now) {
  now_ = now;
  return endpoint_.handle_datagram(datagram, now);
}

void WorkerCore::handle_handed_over(const base::ReceivedDatagram& datagram, base::Instant now) {
  now_ = now;
  environment_.counters.handovers_in.add();
  endpoint_.handle_handed_over(datagram, now);
}

void WorkerCore::handle_expiry(base::Instant now) {
  now_ = now;
  endpoint_.note_time(now);
  endpoint_.handle_expiry(now);
  drain_.handle_expiry(endpoint_, now);
  for (const std::function<void()>& task : timers_.take_due(now)) {
    run_task(task);
  }
}

void WorkerCore::run_posted(const std::function<void()>& task, base::Instant now) {
  now_ = now;
  endpoint_.note_time(now);
  run_task(task);
}

base::Instant WorkerCore::next_expiry() const {
  return std::min({endpoint_.next_expiry(), timers_.soonest(), drain_.next_expiry(endpoint_)});
}

void WorkerCore::finish_input(base::Instant now) {
  now_ = now;
  endpoint_.note_time(now);
  if (application_ != nullptr && was_told_) {
    was_told_ = false;
    run_guarded([this] { application_->on_input_done(); });
  }
}

void WorkerCore::poll_send(base::SendBatch& batch, base::Instant now) {
  now_ = now;
  endpoint_.poll_send(batch, now);
  drain_.note_sent(endpoint_);
}

base::Status WorkerCore::connect(const quic::ConnectTarget& target, base::Instant now) {
  now_ = now;
  auto made = endpoint_.connect(target, now);
  if (!made) {
    return std::move(made).error();
  }
  session_of(**made).is_known_to_application = true;
  return {};
}

void WorkerCore::begin_drain(base::Instant now, base::Instant deadline) {
  now_ = now;
  endpoint_.note_time(now);
  drain_.begin(endpoint_, now, deadline);
  if (application_ != nullptr) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now);
    run_task([this, left] { application_->on_drain(left); });
  }
  drain_.handle_expiry(endpoint_, now);
}

std::uint64_t WorkerCore::offer_connections(const ConnectionQuery& query, std::uint64_t first,
                                            std::size_t most, FirstPlaces& places) {
  return endpoint_.visit_from(first, most, [&](quic::Connection& connection) {
    if (query.matches(connection)) {
      const auto* const session = static_cast<const Session*>(connection.user());
      places.offer({query.value_of(connection, session, now_), connection.number()});
    }
  });
}

void WorkerCore::append_rows(std::span<const ConnectionQuery::Place> places,
                             std::vector<ConnectionRow>& rows) {
  for (const ConnectionQuery::Place& place : places) {
    quic::Connection* const connection = endpoint_.find_connection(place.id);
    if (connection != nullptr && !connection->has_ended()) {
      rows.push_back(make_row(*connection, static_cast<const Session*>(connection->user()), now_));
      rows.back().worker = index_;
      rows.back().place = place;
    }
  }
}

std::vector<ConnectionRow> WorkerCore::list_connections(const ConnectionQuery& query) {
  FirstPlaces places(query);
  offer_connections(query, 0, SIZE_MAX, places);
  std::vector<ConnectionRow> rows;
  append_rows(places.take(), rows);
  return rows;
}

void WorkerCore::call_after(std::chrono::nanoseconds delay, std::function<void()> task) {
  timers_.add(now_ + delay, std::move(task));
}

void WorkerCore::run_task(const std::function<void()>& task) {
  was_told_ = true;
  run_guarded(task);
}

void WorkerCore::run_guarded(const std::function<void()>& task) {
  try {
    task();
  } catch (...) {
    count_exception();
  }
}

Session& WorkerCore::make_session(quic::Connection& connection) {
  StreamRefuser& refuser = *this;
  auto made = std::make_unique<Session>(connection, refuser);
  base::make_room(sessions_);
  Session& session = *sessions_.emplace(connection.number(), std::move(made)).first->second;
  connection.set_user(&session);
  return session;
}

void WorkerCore::count_exception() {
  environment_.counters.application_exceptions.add();
  environment_.counters.errors.add();
  environment_.log.write(base::LogLevel::kWarning, base::LogKind::kApplicationException,
                         [] { return "a callback of the program threw an exception"; });
}

template <class Call>
void WorkerCore::tell(quic::Connection& connection, Call call) {
  if (application_ == nullptr) {
    return;
  }
  was_told_ = true;
  try {
    call(*application_, session_of(connection));
  } catch (...) {
    count_exception();
    connection.close(kApplicationError, "a callback of the application threw an exception");
  }
}

template <class Call>
void WorkerCore::tell(quic::Connection& connection, quic::Stream& stream, Call call) {
  StreamSession& session = StreamSession::of(stream);
  // Events of a refused stream may follow if its connection had ended before the refusal.
  if (application_ == nullptr || session.state == StreamSession::State::kRefused) {
    return;
  }
  was_told_ = true;
  const std::int64_t id = stream.id;
  try {
    call(*application_, session);
  } catch (...) {
    count_exception();
    // The callback may have ended the stream before it threw.
    if (quic::Stream* const left = connection.streams().find(id)) {
      connection.streams().reset(*left, kApplicationError);
      connection.streams().stop_sending(*left, kApplicationError);
    }
  }
}

void WorkerCore::on_handshake_completed(quic::Connection& connection) {
  session_of(connection).is_known_to_application = true;
  tell(connection,
       [](krepis::Application& application, Session& session) { application.on_connection(session); });
}

void WorkerCore::on_closed(quic::Connection& connection, const quic::CloseCause& cause) {
  const auto* const session = static_cast<const Session*>(connection.user());  // null: no event was reported
  const bool is_drain = drain_.has_begun() && cause.source == quic::CloseCause::Source::kLocalApplication;
  const RequestEnd end = is_clients_choice(cause) ? RequestEnd::kCancelled : RequestEnd::kFailed;
  connection.streams().for_each([&](quic::Stream& stream) { end_request(StreamSession::of(stream), end); });
  if (connection.is_handshake_completed()) {
    environment_.counters.rtt_at_close.record(connection.transport_state().smoothed_rtt);
    environment_.counters.connection_age.record(now_ - connection.created_at());
  }
  if (session != nullptr && session->is_known_to_application) {
    tell(connection, [&](krepis::Application& application, Session& told) {
      application.on_connection_closed(told, to_public(cause, is_drain));
    });
  }
  count_close(cause, is_drain);
  drain_.note_connection_closed(connection, cause, now_);
  sessions_.erase(connection.number());
}

void WorkerCore::count_close(const quic::CloseCause& cause, bool is_drain) {
  using Source = quic::CloseCause::Source;
  stats::WorkerCounters& counters = environment_.counters;
  if (is_drain) {
    counters.connections_closed_drain.add();
    return;
  }
  switch (cause.source) {
    case Source::kPeerApplication:
      return counters.connections_closed_peer_application.add();
    case Source::kPeerTransport:
      return counters.connections_closed_peer_transport.add();
    case Source::kLocalApplication:
      note_channel_close(cause.code);
      return counters.connections_closed_local_application.add();
    case Source::kLocalTransport:
      counters.errors.add();
      return counters.connections_closed_local_transport_error.add();
    case Source::kIdleTimeout:
      return counters.connections_closed_idle_timeout.add();
    case Source::kHandshakeTimeout:
      return counters.connections_closed_handshake_timeout.add();
    case Source::kStatelessReset:
      return counters.connections_closed_stateless_reset.add();
    case Source::kNoProgress:
      return counters.connections_closed_no_progress.add();
    case Source::kEvicted:
      return counters.connections_closed_evicted.add();
  }
}

void WorkerCore::note_channel_close(std::uint64_t code) {
  const bool is_overloaded = code == static_cast<std::uint64_t>(LibraryCode::kOverloaded);
  if (!is_overloaded && code != static_cast<std::uint64_t>(LibraryCode::kConsumerGone)) {
    return;
  }
  stats::WorkerCounters& counters = environment_.counters;
  (is_overloaded ? counters.channel_closes_overloaded : counters.channel_closes_consumer_gone).add();
  environment_.log.write(base::LogLevel::kInfo, base::LogKind::kChannelClosed, [&] {
    return std::string("connection closed: ") +
           (is_overloaded ? "its channel has no room for more events or bytes (queue_bytes, ring_records)"
                          : "its channel was closed, or its consumer died (consumer_timeout_ms)") +
           ", code " + base::code_text(code);
  });
}

void WorkerCore::on_stream_opened(quic::Connection& connection, quic::Stream& stream) {
  // Invariant: on_handshake_completed has created the session, so nothing here can fail.
  StreamSession& session = StreamSession::create(*static_cast<Session*>(connection.user()), stream);
  if (is_server_ && quic::is_bidirectional(stream.id)) {
    session.state = StreamSession::State::kRequestPending;
    environment_.counters.requests_started.add();
  }
  if (is_server_ && (application_ == nullptr || drain_.has_begun())) {
    const LibraryCode code = application_ == nullptr ? LibraryCode::kNoConsumer : LibraryCode::kDraining;
    refuse_stream(connection, stream, static_cast<std::uint64_t>(code));
    return;
  }
  tell(connection, stream, [](krepis::Application& application, krepis::Stream& opened) {
    application.on_stream_opened(opened);
  });
}

void WorkerCore::note_refusal(const quic::Connection& connection, const quic::Stream& stream,
                              std::uint64_t code) {
  stats::WorkerCounters& counters = environment_.counters;
  counters.streams_refused.add();
  const bool is_draining = code == static_cast<std::uint64_t>(LibraryCode::kDraining);
  const bool has_no_consumer = code == static_cast<std::uint64_t>(LibraryCode::kNoConsumer);
  (is_draining       ? counters.stream_refusals_draining
   : has_no_consumer ? counters.stream_refusals_no_consumer
                     : counters.stream_refusals_program)
      .add();
  environment_.log.write(base::LogLevel::kDebug, base::LogKind::kStreamRefused, [&] {
    return "stream " + std::to_string(stream.id) + " of connection " + std::to_string(connection.number()) +
           " refused: " +
           (is_draining       ? "the server drains"
            : has_no_consumer ? "no service and no channel accepts streams (service)"
                              : "by the program") +
           ", code " + base::code_text(code);
  });
}

void WorkerCore::refuse_stream(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) {
  StreamSession& session = StreamSession::of(stream);
  note_refusal(connection, stream, code);
  end_request(session, RequestEnd::kFailed);
  session.state = StreamSession::State::kRefused;
  connection.streams().reset(stream, code);
  connection.streams().stop_sending(stream, code);
  connection.streams().release(stream);  // last, because it may end the stream
}

void WorkerCore::on_stream_data(quic::Connection& connection, quic::Stream& stream,
                                std::span<const std::uint8_t> bytes, quic::Fin fin) {
  tell(connection, stream, [&](krepis::Application& application, krepis::Stream& receiver) {
    application.on_stream_data(receiver, bytes, to_public(fin));
  });
}

void WorkerCore::on_stream_reset(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) {
  StreamSession& session = StreamSession::of(stream);
  if (session.state == StreamSession::State::kRequestPending) {
    session.state = StreamSession::State::kRequestCancelled;
  }
  tell(connection, stream, [&](krepis::Application& application, krepis::Stream& receiver) {
    application.on_stream_reset(receiver, code);
  });
}

void WorkerCore::on_stop_sending(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) {
  end_request(StreamSession::of(stream), RequestEnd::kCancelled);
  tell(connection, stream, [&](krepis::Application& application, krepis::Stream& sender) {
    application.on_stop_sending(sender, code);
  });
}

void WorkerCore::on_stream_writable(quic::Connection& connection, quic::Stream& stream) {
  tell(connection, stream, [](krepis::Application& application, krepis::Stream& sender) {
    application.on_stream_writable(sender);
  });
}

void WorkerCore::on_stream_fin_sent(quic::Connection& /*connection*/, quic::Stream& stream) {
  StreamSession& session = StreamSession::of(stream);
  if (session.has_open_request()) {
    const base::Duration latency = now_ - stream.opened_at;
    environment_.counters.request_latency.record(latency);
    static_cast<Session&>(session.connection()).record_request_latency(latency);
    end_request(session, RequestEnd::kCompleted);
  }
}

void WorkerCore::end_request(StreamSession& stream, RequestEnd end) {
  if (!stream.has_open_request()) {
    return;
  }
  const bool was_cancelled = stream.state == StreamSession::State::kRequestCancelled;
  stream.state = StreamSession::State::kOrdinary;
  if (end == RequestEnd::kCompleted) {
    environment_.counters.requests_completed.add();
  } else if (end == RequestEnd::kCancelled || was_cancelled) {
    environment_.counters.requests_cancelled.add();
  } else {
    environment_.counters.requests_failed.add();
    environment_.counters.errors.add();
  }
}

void WorkerCore::on_stream_closed(quic::Connection& connection, quic::Stream& stream) {
  end_request(StreamSession::of(stream), RequestEnd::kFailed);
  tell(connection, stream, [](krepis::Application& application, krepis::Stream& closed) {
    application.on_stream_closed(closed);
  });
  drain_.note_stream_closed(connection, stream);
}

void WorkerCore::on_streams_available(quic::Connection& connection, quic::StreamDirection direction) {
  tell(connection, [&](krepis::Application& application, Session& session) {
    application.on_streams_available(session, to_public(direction));
  });
}

void WorkerCore::on_datagram(quic::Connection& connection, std::span<const std::uint8_t> bytes) {
  if (application_ == nullptr) {
    return count_dropped_datagram();
  }
  tell(connection,
       [&](krepis::Application& application, Session& session) { application.on_datagram(session, bytes); });
}

void WorkerCore::on_datagram_writable(quic::Connection& connection) {
  tell(connection,
       [](krepis::Application& application, Session& session) { application.on_datagram_writable(session); });
}

void WorkerCore::on_datagram_fate(quic::Connection& connection, std::uint32_t context,
                                  quic::DatagramFate fate) {
  tell(connection, [&](krepis::Application& application, Session& session) {
    application.on_datagram_fate(session, context, to_public(fate));
  });
}

}  // namespace knul::server
