// Answers without a connection: Version Negotiation, Retry, Stateless Reset, and a CONNECTION_CLOSE that
// refuses a connection. Each kind has its own rate limit, of which a source address gets a part. No answer to
// an unvalidated address is larger than the packet that caused it. RFC 9000 §5.2, §6, §8.1.2, §10.3, §21.1.1.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/datagram.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/token_bucket.hpp"
#include "quic/endpoint/source_buckets.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/reset_tokens.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

// Thread: its endpoint's.
class StatelessResponder {
 public:
  StatelessResponder(AddressTokens& address_tokens, ResetTokens& reset_tokens, const ConnectionIdCodec& codec,
                     base::SipKey source_key, base::RandomSource& random, base::LogSink& log,
                     stats::WorkerCounters& counters);

  void negotiate_version(const base::ReceivedDatagram& datagram, const ngtcp2_version_cid& header,
                         base::Instant now);
  void retry(const base::Path& path, const ngtcp2_pkt_hd& header, base::Instant now);
  void reset(const base::ReceivedDatagram& datagram, std::span<const std::uint8_t> dcid, base::Instant now);
  void refuse(const base::Path& path, const ngtcp2_pkt_hd& header, std::uint64_t transport_code,
              base::Instant now);
  // Sends an earlier packet again to the same path.
  void repeat(const base::Path& path, std::span<const std::uint8_t> packet, base::Instant now);
  // Sends the first copy of a connection's own CONNECTION_CLOSE, without a rate limit.
  void send(const base::Path& path, std::span<const std::uint8_t> packet);

  // Moves the waiting answers that fit into `batch`.
  void poll_send(base::SendBatch& batch);
  [[nodiscard]] bool is_empty() const { return waiting_.empty(); }

 private:
  struct Answer {
    base::Path path;
    std::vector<std::uint8_t> packet;
    std::uint16_t slot = 0;
  };
  // The limits of one kind: for all addresses, and for one source address however many answers the others
  // cause. An address gets more while half of the burst of `all` is free.
  struct Limit {
    Limit(std::string_view name, std::uint32_t rate, std::uint32_t burst)
        : what(name),
          per_second(rate),
          all(rate, burst),
          by_source(std::max(1U, rate / 4), std::max(1U, burst / 2)) {}
    std::string_view what;  // for the log
    std::uint32_t per_second;
    base::TokenBucket all;
    SourceBuckets by_source;
  };

  // False: the answer must not be sent. It is counted.
  bool take_token(Limit& limit, const base::SocketAddress& to, base::Instant now);
  void note_suppressed(const Limit& limit, const base::SocketAddress& to, std::string_view why);
  void queue(const base::Path& path, std::span<const std::uint8_t> packet);

  AddressTokens& address_tokens_;
  ResetTokens& reset_tokens_;
  const ConnectionIdCodec& codec_;
  base::RandomSource& random_;
  base::LogSink& log_;
  stats::WorkerCounters& counters_;
  const base::SipKey source_key_;
  Limit version_limit_;
  Limit retry_limit_;
  Limit reset_limit_;
  Limit refuse_limit_;
  Limit repeat_limit_;
  std::deque<Answer> waiting_;
  std::array<std::uint32_t, kSourceSlots> waiting_of_{};  // the count in waiting_ by source
};

}  // namespace knul::quic
