// The inputs of a new connection, and its interface to the endpoint.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/datagram.hpp"
#include "base/log.hpp"
#include "base/qlog.hpp"
#include "base/random.hpp"
#include "quic/connection/connection_observer.hpp"
#include "quic/connection/frame_budget.hpp"
#include "quic/connection/transport_options.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/ticket_store.hpp"
#include "quic/memory/block_pool.hpp"
#include "quic/memory/connection_arena.hpp"
#include "quic/stream/receive_window.hpp"
#include "quic/stream/send_budget.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/frame_scanner.hpp"
#include "quic/wire/reset_tokens.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

// The calls that a connection makes to its endpoint.
class ConnectionHost {
 public:
  // From then on packets with the destination connection ID `id` go to `connection`.
  virtual void add_route(const ConnectionId& id, Connection& connection) = 0;
  virtual void remove_route(const ConnectionId& id) = 0;
  // `connection` has something to send or has ended. Requires that it is not linked.
  virtual void schedule(Connection& connection) = 0;
  virtual void note_handshake_completed(Connection& connection) = 0;

 protected:
  ~ConnectionHost() = default;
};

// The resources that a connection uses. Lifetime: longer than the connection.
struct ConnectionEnvironment {
  const TransportOptions& transport;
  ConnectionObserver& observer;
  ConnectionHost& host;
  const ConnectionIdCodec& codec;
  const std::string& accepted_alpn;  // for the text of a refusal
  AddressTokens& address_tokens;
  ResetTokens& reset_tokens;
  const ProtectionLibrary* protection;  // null: GnuTLS protects packets
  TicketStore* tickets;                 // for a client; null: it resumes no sessions
  ArenaPool* arenas;                    // null: the library allocates from the heap
  BlockPool& blocks;
  SendBudget& send_budget;
  ReceiveBudget& receive_budget;
  SharedFrameBudget& frame_budget;
  std::vector<StopSending>& stops_seen;  // in the datagram being read; shared to save memory
  const base::Duration& socket_full;     // how long the kernel's send buffer was full, in all
  base::RandomSource& random;
  base::LogSink& log;
  stats::WorkerCounters& counters;
  base::QlogFiles* qlog;  // null: no connection is logged
};

// The server's knowledge from the first packet of a connection.
struct AcceptedInitial {
  ngtcp2_pkt_hd header{};
  base::Path path;
  std::span<const std::uint8_t> validated_token;  // empty: the packet had no valid token
  ngtcp2_token_type token_type = NGTCP2_TOKEN_TYPE_UNKNOWN;
  std::optional<ngtcp2_cid> original_dcid;  // the destination of the client's Initial before a Retry
};

struct ConnectTarget {
  base::Path path;
  std::string server_name;
  std::uint64_t context = 0;
};

}  // namespace knul::quic
