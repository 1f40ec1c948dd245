// A worker's work without thread, sockets and clock: the endpoint, the Application, the accounting of
// requests, and the drain. The simulator runs the same code as the worker thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <krepis/krepis.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quic/endpoint/endpoint.hpp"
#include "server/connection_query.hpp"
#include "server/connection_row.hpp"
#include "server/drain.hpp"
#include "server/session.hpp"
#include "server/timer_queue.hpp"

namespace knul::server {

// A core's access to its surroundings. Lifetime: outlives the core.
struct CoreEnvironment {
  base::RandomSource& random;
  base::LogSink& log;
  stats::WorkerCounters& counters;
  // Thread: any; the task runs on the core's thread.
  std::function<bool(std::function<void()> task)> post;
};

// Thread: one. `now` never goes backwards.
class WorkerCore final : private quic::ConnectionObserver, private krepis::Worker, private StreamRefuser {
 public:
  // Without an Application every stream is refused with LibraryCode::kNoConsumer.
  WorkerCore(quic::EndpointOptions options, CoreEnvironment environment,
             std::unique_ptr<krepis::Application> application, base::Instant now);
  ~WorkerCore();
  WorkerCore(const WorkerCore&) = delete;
  WorkerCore& operator=(const WorkerCore&) = delete;

  [[nodiscard]] std::optional<unsigned> handle_datagram(const base::ReceivedDatagram& datagram,
                                                        base::Instant now);
  void handle_handed_over(const base::ReceivedDatagram& datagram, base::Instant now);
  void handle_expiry(base::Instant now);
  [[nodiscard]] base::Instant next_expiry() const;
  // Of krepis::Worker; also for the server itself.
  void call_after(std::chrono::nanoseconds delay, std::function<void()> task) override;
  // Runs a task of krepis::Worker::post on the core's thread.
  void run_posted(const std::function<void()>& task, base::Instant now);
  // Called before and after the turn's poll_send: all input of this turn was handled, or all output sent.
  void finish_input(base::Instant now);
  void poll_send(base::SendBatch& batch, base::Instant now);
  void note_socket_full(base::Duration time) { endpoint_.note_socket_full(time); }
  [[nodiscard]] bool wants_send() const { return endpoint_.wants_send(); }
  [[nodiscard]] bool is_for_recent_connection(const base::ReceivedDatagram& datagram) const {
    return endpoint_.is_for_recent_connection(datagram);
  }
  [[nodiscard]] std::uint64_t scheduled_count() const { return endpoint_.scheduled_count(); }
  [[nodiscard]] std::uint64_t frames_read() const { return endpoint_.frames_read(); }

  // For a client. Reports the connection or its end to the Application.
  base::Status connect(const quic::ConnectTarget& target, base::Instant now);

  // Called once. The core is drained no later than `deadline` plus the linger time of Drain.
  void begin_drain(base::Instant now, base::Instant deadline);
  [[nodiscard]] bool is_drained(base::Instant now) const { return drain_.is_over(endpoint_, now); }
  [[nodiscard]] krepis::DrainReport drain_report() const { return drain_.report(); }

  // Offers at most `most` connections to `places`, from the number `first` on. Returns the number to go on
  // with in a later call; 0: there are no more.
  std::uint64_t offer_connections(const ConnectionQuery& query, std::uint64_t first, std::size_t most,
                                  FirstPlaces& places);
  // Appends the rows of those of `places` whose connections are still open.
  void append_rows(std::span<const ConnectionQuery::Place> places, std::vector<ConnectionRow>& rows);
  // All at once, for few connections.
  [[nodiscard]] std::vector<ConnectionRow> list_connections(const ConnectionQuery& query);

 private:
  // krepis::Worker
  [[nodiscard]] unsigned index() const override { return index_; }
  bool post(std::function<void()> task) override { return environment_.post(std::move(task)); }
  [[nodiscard]] std::chrono::nanoseconds now() const override { return now_.time_since_epoch(); }

  // quic::ConnectionObserver
  void on_handshake_completed(quic::Connection& connection) override;
  void on_closed(quic::Connection& connection, const quic::CloseCause& cause) override;
  void on_stream_opened(quic::Connection& connection, quic::Stream& stream) override;
  void on_stream_data(quic::Connection& connection, quic::Stream& stream, std::span<const std::uint8_t> bytes,
                      quic::Fin fin) override;
  void on_stream_reset(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) override;
  void on_stream_writable(quic::Connection& connection, quic::Stream& stream) override;
  void on_stream_fin_sent(quic::Connection& connection, quic::Stream& stream) override;
  void on_stream_closed(quic::Connection& connection, quic::Stream& stream) override;
  void on_streams_available(quic::Connection& connection, quic::StreamDirection direction) override;
  void on_datagram(quic::Connection& connection, std::span<const std::uint8_t> bytes) override;
  void on_datagram_writable(quic::Connection& connection) override;
  void on_datagram_fate(quic::Connection& connection, std::uint32_t context,
                        quic::DatagramFate fate) override;

  // StreamRefuser
  void refuse_stream(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) override;
  void count_dropped_datagram() override { environment_.counters.datagrams_dropped.add(); }

  // Creates the session at the first call for a connection. Throws std::bad_alloc.
  Session& session_of(quic::Connection& connection) {
    void* const known = connection.user();
    return known != nullptr ? *static_cast<Session*>(known) : make_session(connection);
  }
  [[gnu::cold]] Session& make_session(quic::Connection& connection);
  // Call the Application. An exception of it ends the stream, or the connection without a stream.
  template <class Call>
  void tell(quic::Connection& connection, Call call);
  template <class Call>
  void tell(quic::Connection& connection, quic::Stream& stream, Call call);
  [[gnu::cold]] void count_exception();
  void run_task(const std::function<void()>& task);
  void run_guarded(const std::function<void()>& task);
  void count_close(const quic::CloseCause& cause, bool is_drain);
  enum class RequestEnd : std::uint8_t { kFailed, kCompleted, kCancelled };  // the last by the client
  void note_channel_close(std::uint64_t code);
  void note_refusal(const quic::Connection& connection, const quic::Stream& stream, std::uint64_t code);
  void end_request(StreamSession& stream, RequestEnd end);

  CoreEnvironment environment_;
  const unsigned index_;
  const bool is_server_;
  base::Instant now_;
  std::unique_ptr<krepis::Application> application_;
  TimerQueue timers_;
  Drain drain_;
  bool was_told_ = false;  // the Application had an event since its last on_input_done
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  quic::Endpoint endpoint_;
};

}  // namespace knul::server
