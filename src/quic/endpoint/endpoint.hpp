// All connections of one worker: takes datagrams, finds or creates their connections, and returns packets and
// the next deadline. Sans-I/O: without sockets, clocks and threads.
#pragma once

#include <absl/cleanup/cleanup.h>
#include <absl/container/btree_map.h>

#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "base/token_bucket.hpp"
#include "quic/connection/connection.hpp"
#include "quic/crypto/ticket_store.hpp"
#include "quic/endpoint/closing_table.hpp"
#include "quic/endpoint/endpoint_log.hpp"
#include "quic/endpoint/endpoint_options.hpp"
#include "quic/endpoint/route_table.hpp"
#include "quic/endpoint/stateless_responder.hpp"
#include "quic/memory/block_pool.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/reset_tokens.hpp"

namespace knul::quic {

// Thread: one. Lifetime: the constructor's references outlive this object. Never moves.
class Endpoint final : private ConnectionHost {
 public:
  Endpoint(EndpointOptions options, ConnectionObserver& observer, base::RandomSource& random,
           base::LogSink& log, stats::WorkerCounters& counters);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Handles the datagram, or returns the worker that it belongs to and leaves it untouched. `now` never goes
  // backwards.
  [[nodiscard]] std::optional<unsigned> handle_datagram(const base::ReceivedDatagram& datagram,
                                                        base::Instant now);
  // Handles a datagram for which another worker's handle_datagram() returned this worker.
  void handle_handed_over(const base::ReceivedDatagram& datagram, base::Instant now);
  void handle_expiry(base::Instant now);
  [[nodiscard]] base::Instant next_expiry() const;

  // Fills `batch` with packets. Called again with an empty batch while wants_send().
  void poll_send(base::SendBatch& batch, base::Instant now);
  [[nodiscard]] bool wants_send() const { return !write_list_.empty() || !responder_.is_empty(); }
  // True for a 1-RTT datagram of the previous datagram's connection. Weak case: false after a change of
  // routes, even for such a datagram.
  [[nodiscard]] bool is_for_recent_connection(const base::ReceivedDatagram& datagram) const {
    return routes_.find_recent(datagram.payload).is_known();
  }
  // The number of received packets that put their connection on the list of connections with something to
  // send.
  [[nodiscard]] std::uint64_t scheduled_count() const { return scheduled_count_; }
  // The number of frames that all connections have read.
  [[nodiscard]] std::uint64_t frames_read() const { return frame_budget_.frames_read(); }

  // Starts a handshake as a client. kUnsupported without client_tls.
  base::Result<Connection*> connect(const ConnectTarget& target, base::Instant now);

  // Sets the time for the calls of the layer above, until the next call with a time.
  void note_time(base::Instant now) { send_budget_.note_time(now); }

  // The kernel's send buffer was full for this time, and no connection could send.
  void note_socket_full(base::Duration time) { socket_full_ += time; }

  // From then on new connections are refused with CONNECTION_REFUSED.
  void refuse_new_connections() { is_refusing_ = true; }
  // Sends each CONNECTION_CLOSE of the closing period once more, except to unvalidated addresses.
  void repeat_closes();
  [[nodiscard]] std::size_t closing_count() const { return closing_.size(); }
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }
  // `visit` may close its connection, but must not create others.
  template <class Visit>
  void for_each_connection(Visit visit) {
    for (auto& [number, entry] : connections_)
      visit(*entry.connection);
  }
  // Visits at most `most` connections in the order of their numbers, `first` or the next one first. Returns
  // the number to go on with in a later call, before which connections may come and go; 0: no more.
  template <class Visit>
  std::uint64_t visit_from(std::uint64_t first, std::size_t most, Visit visit) {
    auto next = connections_.lower_bound(first);
    for (; next != connections_.end() && most > 0; ++next, --most)
      visit(*next->second.connection);
    return next == connections_.end() ? 0 : next->first;
  }
  [[nodiscard]] Connection* find_connection(std::uint64_t number);

 private:
  struct Entry {
    std::unique_ptr<Connection> connection;
  };
  // Adds the connection that `make` returns. Reserves its place first, so that nothing fails after it exists.
  template <class Make>
  base::Result<Connection*> add(std::uint64_t number, Make make) {
    const auto place = connections_.try_emplace(number).first;
    absl::Cleanup erase = [&] { connections_.erase(place); };
    base::Result<std::unique_ptr<Connection>> made = make();
    if (!made) {
      return std::move(made).error();
    }
    std::move(erase).Cancel();
    place->second.connection = *std::move(made);
    return place->second.connection.get();
  }
  using WriteList = boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

  // ConnectionHost
  void add_route(const ConnectionId& id, Connection& connection) override;
  void remove_route(const ConnectionId& id) override;
  void schedule(Connection& connection) override;
  void note_handshake_completed(Connection& connection) override;

  // endpoint.cpp
  // Runs `work` for a connection. An exception means lack of memory and ends that connection only.
  template <class Work>
  void guarded(Connection& connection, Work work) noexcept {
    try {
      work();
    } catch (...) {
      note_out_of_memory("a connection ends");
      connection.abort(TransportCode::kInternalError, "out of memory");
    }
  }
  void note_out_of_memory(std::string_view consequence) noexcept {
    counters_.errors.add();
    counters_.out_of_memory.add();
    log_lines_.out_of_memory(consequence);
  }
  // Not inline: only floods get here.
  [[gnu::noinline, gnu::cold]] void drop_above_budget(const base::SocketAddress& from);
  [[gnu::noinline, gnu::cold]] void drop_above_frame_budget(const base::SocketAddress& from);
  // handle_datagram() for a packet whose predecessor had another connection. Not inline, so that packets of
  // the same connection need no stack for it.
  [[nodiscard, gnu::noinline]] std::optional<unsigned> route_datagram(const base::ReceivedDatagram& datagram,
                                                                      base::Instant now);
  void read(Connection& connection, const base::ReceivedDatagram& datagram, base::Instant now) {
    const bool was_scheduled = connection.is_linked();
    guarded(connection, [&] { connection.read(datagram, now); });
    if (!was_scheduled && connection.is_linked()) {
      ++scheduled_count_;
    }
  }
  [[gnu::always_inline]] void deliver(Route route, const base::ReceivedDatagram& datagram, base::Instant now);
  [[nodiscard]] std::optional<unsigned> other_owner(const base::ReceivedDatagram& datagram,
                                                    const ngtcp2_version_cid& header) const;
  void retire(Connection& connection, base::Instant now);
  void release_places(Connection& connection);
  void hibernate_or_postpone(Connection& connection, base::Instant now);
  void begin_closing_period(Connection& connection, base::Instant now);
  void hand_over_routes(std::span<const ConnectionId> routes, ClosingConnection* kept);
  [[nodiscard]] ClosingConnection* try_add_closing(const Connection& connection, const base::Path& path,
                                                   std::span<const ConnectionId> routes,
                                                   std::span<const std::uint8_t> packet, base::Instant now);
  void forget_expired(base::Instant now);
  void forget(const ClosingConnection& entry);
  void count_closed(const Connection& connection);
  void begin_send_turns(base::Instant now);
  void close_stalled(base::Instant now);

  // endpoint_accept.cpp
  // True for a source port of kReflectionPorts. Counts the datagram, which the caller must drop.
  [[nodiscard]] bool count_reflection(const base::SocketAddress& source);
  void handle_unrouted(const base::ReceivedDatagram& datagram, const ngtcp2_version_cid& header,
                       base::Instant now);
  // The client connection that a Stateless Reset ends, or null for another datagram.
  [[nodiscard]] Connection* find_reset(const base::ReceivedDatagram& datagram);
  void accept(const base::ReceivedDatagram& datagram, base::Instant now);
  // False: the Initial was refused or dropped.
  [[nodiscard]] bool admit(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                           base::Instant now);
  // False: the Initial was answered or dropped.
  bool validate_token(AcceptedInitial& initial, base::Instant now);
  // Both end a connection for `newcomer` if necessary. False: no connection may be ended, and the newcomer
  // must be dropped.
  [[nodiscard]] bool make_half_open_place(const SourceHoldings& newcomer, base::Instant now);
  [[nodiscard]] bool make_place(const SourceHoldings& newcomer, base::Instant now);
  [[nodiscard]] Connection* find_inactive(const SourceHoldings& newcomer, base::Instant now);
  // `connections`: of one address; null: it has none.
  [[nodiscard]] bool is_at_address_limit(const SharedPlaces::Holder* connections) const;
  void refuse_at_limit(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                       base::Instant now);
  [[nodiscard]] bool asks_for_retry() const;

  EndpointOptions options_;
  base::RandomSource& random_;
  base::LogSink& log_;
  EndpointLog log_lines_;
  stats::WorkerCounters& counters_;
  ConnectionIdCodec codec_;
  base::SipKey hash_key_;
  SourceTable sources_;            // Order: before all members that refer to a source
  SharedPlaces half_open_places_;  // of server connections
  SharedPlaces admitted_places_;
  BlockPool blocks_;                   // Order: before all members that take its blocks
  std::unique_ptr<ArenaPool> arenas_;  // null: connections do not hibernate
  AddressTokens address_tokens_;
  ResetTokens reset_tokens_;
  SendBudget send_budget_;
  TicketStore tickets_;
  ReceiveBudget receive_budget_;
  SharedFrameBudget frame_budget_;
  std::string accepted_alpn_;
  std::vector<StopSending> stops_seen_;  // see ConnectionEnvironment
  base::Duration socket_full_{};         // the same
  ConnectionEnvironment environment_;
  StatelessResponder responder_;
  ClosingTable closing_;
  RouteTable routes_;
  base::DeadlineHeap<Connection> deadlines_;
  base::TokenBucket hibernations_;
  absl::btree_map<std::uint64_t, Entry> connections_;  // by number, for visit_from()
  WriteList write_list_;
  std::uint64_t scheduled_count_ = 0;
  std::uint64_t next_number_ = 1;
  std::size_t half_open_ = 0;
  bool is_refusing_ = false;
};

}  // namespace knul::quic
