// All connections of one worker: takes datagrams, finds or makes their connection, gives packets and the
// next deadline. Sans-I/O: it knows neither sockets nor clocks nor threads.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "base/token_bucket.hpp"
#include "quic/connection/connection.hpp"
#include "quic/crypto/ticket_store.hpp"
#include "quic/endpoint/closing_table.hpp"
#include "quic/endpoint/endpoint_options.hpp"
#include "quic/endpoint/route_table.hpp"
#include "quic/endpoint/stateless_responder.hpp"
#include "quic/memory/block_pool.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/reset_tokens.hpp"

namespace knul::quic {

// Thread: one. Lifetime: the references given to the constructor live longer; not moved.
class Endpoint final : private ConnectionHost {
 public:
  Endpoint(EndpointOptions options, ConnectionObserver& observer, base::RandomSource& random,
           base::LogSink& log, stats::WorkerCounters& counters);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Takes the datagram, or names the worker it belongs to and leaves it untouched.
  // `now` never goes backwards.
  [[nodiscard]] std::optional<unsigned> handle_datagram(const base::ReceivedDatagram& datagram,
                                                        base::Instant now);
  // One that another worker named us for.
  void handle_handed_over(const base::ReceivedDatagram& datagram, base::Instant now);
  void handle_expiry(base::Instant now);
  [[nodiscard]] base::Instant next_expiry() const;

  // Fills `batch` with packets. Call again with an empty batch while wants_send().
  void poll_send(base::SendBatch& batch, base::Instant now);
  [[nodiscard]] bool wants_send() const { return !write_list_.empty() || !responder_.is_empty(); }
  // Whether it is of 1-RTT and for the connection that the last one was for. A train may be cut in two where
  // routes were made or dropped in between.
  [[nodiscard]] bool continues(const base::ReceivedDatagram& datagram) const {
    return routes_.find_recent(datagram.payload).is_known();
  }
  // How often a packet has given something to send to its own connection, which had nothing before.
  [[nodiscard]] std::uint64_t roused_count() const { return roused_count_; }
  // How many frames all connections have read.
  [[nodiscard]] std::uint64_t frames_read() const { return frame_budget_.frames_read(); }

  // Starts a handshake as a client. kUnsupported without client_tls.
  base::Result<Connection*> connect(const ConnectTarget& target, base::Instant now);

  // It is `now` for what the layer above does with connections until the next call with a time.
  void note_time(base::Instant now) { send_budget_.note_time(now); }

  // From now on new connections are refused with CONNECTION_REFUSED.
  void refuse_new_connections() { is_refusing_ = true; }
  // Sends every CONNECTION_CLOSE of the closing period once more, except to unproven addresses.
  void repeat_closes();
  [[nodiscard]] std::size_t closing_count() const { return closing_.size(); }
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }
  [[nodiscard]] std::size_t half_open_count() const { return half_open_; }
  // `visit` may close the connection it is given, not make others.
  template <class Visit>
  void for_each_connection(Visit visit) {
    for (auto& [number, entry] : connections_)
      visit(*entry.connection);
  }
  [[nodiscard]] Connection* find_connection(std::uint64_t number);

 private:
  struct Entry {
    std::unique_ptr<Connection> connection;
  };
  using WriteList = boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

  // ConnectionHost
  void add_route(const ConnectionId& id, Connection& connection) override;
  void remove_route(const ConnectionId& id) override;
  void schedule(Connection& connection) override;
  void note_handshake_completed(Connection& connection) override;

  // endpoint.cpp
  // Does `work` of a connection's. An exception, which is for want of memory, ends that connection only.
  template <class Work>
  void guarded(Connection& connection, Work work) noexcept {
    try {
      work();
    } catch (...) {
      counters_.errors.add();
      connection.abort(TransportCode::kInternalError, "out of memory");
    }
  }
  // handle_datagram() for a packet that does not follow one of the same connection. Not inline, so that
  // packets that do need no stack for it.
  [[nodiscard, gnu::noinline]] std::optional<unsigned> route_datagram(const base::ReceivedDatagram& datagram,
                                                                      base::Instant now);
  void read(Connection& connection, const base::ReceivedDatagram& datagram, base::Instant now) {
    const bool had_something_to_send = connection.is_linked();
    guarded(connection, [&] { connection.read(datagram, now); });
    if (!had_something_to_send && connection.is_linked()) {
      ++roused_count_;
    }
  }
  [[gnu::always_inline]] void deliver(Route route, const base::ReceivedDatagram& datagram, base::Instant now);
  [[nodiscard]] std::optional<unsigned> other_owner(const base::ReceivedDatagram& datagram,
                                                    const ngtcp2_version_cid& header) const;
  void retire(Connection& connection, base::Instant now);
  void leave_places(Connection& connection);
  void keep_closing(Connection& connection, base::Instant now);
  [[nodiscard]] ClosingConnection* try_keep(const Connection& connection, const base::Path& path,
                                            std::span<const ConnectionId> routes,
                                            std::span<const std::uint8_t> packet, base::Instant now);
  void forget(const ClosingConnection& entry);
  void count_closed(const Connection& connection);
  void give_turns_to_write(base::Instant now);
  void close_stalled(base::Instant now);

  // endpoint_accept.cpp
  // Counts it if it is one.
  [[nodiscard]] bool is_reflection(const base::SocketAddress& source);
  void handle_unrouted(const base::ReceivedDatagram& datagram, const ngtcp2_version_cid& header,
                       base::Instant now);
  // The client connection that the datagram is a Stateless Reset of, or null.
  [[nodiscard]] Connection* find_reset(const base::ReceivedDatagram& datagram);
  void accept(const base::ReceivedDatagram& datagram, base::Instant now);
  [[nodiscard]] bool is_admitted(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                                 base::Instant now);
  // False: the attempt was answered or dropped.
  bool validate_token(AcceptedInitial& initial, base::Instant now);
  // Each ends a connection for `newcomer` where that is necessary; false: there is none that may be ended.
  // False: the newcomer is to be dropped.
  [[nodiscard]] bool make_half_open_place(const SourceHoldings& newcomer, base::Instant now);
  [[nodiscard]] bool make_place(const SourceHoldings& newcomer, base::Instant now);
  void refuse_at_limit(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                       base::Instant now);
  [[nodiscard]] bool asks_for_retry() const;

  EndpointOptions options_;
  base::RandomSource& random_;
  base::LogSink& log_;
  stats::WorkerCounters& counters_;
  ConnectionIdCodec codec_;
  base::SipKey hash_key_;
  SourceTable sources_;            // before whatever refers to a source
  SharedPlaces half_open_places_;  // of a server's connections
  SharedPlaces admitted_places_;
  BlockPool blocks_;                   // before what takes blocks from it
  std::unique_ptr<ArenaPool> arenas_;  // null: connections do not hibernate
  AddressTokens address_tokens_;
  ResetTokens reset_tokens_;
  SendBudget send_budget_;
  TicketStore tickets_;
  ReceiveBudget receive_budget_;
  SharedFrameBudget frame_budget_;
  std::string accepted_alpn_;
  ConnectionEnvironment environment_;
  StatelessResponder responder_;
  ClosingTable closing_;
  RouteTable routes_;
  base::DeadlineHeap<Connection> deadlines_;
  base::TokenBucket sleeps_;
  absl::flat_hash_map<std::uint64_t, Entry> connections_;
  WriteList write_list_;
  std::uint64_t roused_count_ = 0;
  std::uint64_t next_number_ = 1;
  std::size_t half_open_ = 0;
  bool is_refusing_ = false;
};

}  // namespace knul::quic
