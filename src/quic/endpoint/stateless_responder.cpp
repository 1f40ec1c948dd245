#include "quic/endpoint/stateless_responder.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "quic/connection/transport_settings.hpp"

namespace knul::quic {
namespace {

// Answers per second and at once, per worker. Retries have the largest rate, because they answer a flood.
constexpr std::uint32_t kVersionRate = 1'000;
constexpr std::uint32_t kRetryRate = 50'000;
constexpr std::uint32_t kResetRate = 500;
constexpr std::uint32_t kRefuseRate = 100;
constexpr std::uint32_t kRepeatRate = 1'000;
constexpr std::size_t kMostWaiting = 4'096;  // while the socket is full; later answers are dropped

constexpr std::array<std::uint32_t, 2> kVersions{NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};

}  // namespace

StatelessResponder::StatelessResponder(AddressTokens& address_tokens, ResetTokens& reset_tokens,
                                       const ConnectionIdCodec& codec, base::SipKey source_key,
                                       base::RandomSource& random, base::LogSink& log,
                                       stats::WorkerCounters& counters)
    : address_tokens_(address_tokens),
      reset_tokens_(reset_tokens),
      codec_(codec),
      random_(random),
      log_(log),
      counters_(counters),
      source_key_(source_key),
      version_limit_("Version Negotiation", kVersionRate, kVersionRate),
      retry_limit_("Retry", kRetryRate, kRetryRate / 10),
      reset_limit_("Stateless Reset", kResetRate, kResetRate),
      refuse_limit_("CONNECTION_CLOSE", kRefuseRate, kRefuseRate),
      repeat_limit_("repeated CONNECTION_CLOSE", kRepeatRate, kRepeatRate) {}

bool StatelessResponder::take_token(Limit& limit, const base::SocketAddress& to, base::Instant now) {
  const std::size_t slot = source_slot(source_key_, to);
  const std::uint64_t free = kMostWaiting - std::min(kMostWaiting, waiting_.size());
  const bool is_in_share = limit.by_source.take(slot, now) || limit.all.is_half_full(now);
  if (!is_in_share || base::fair_share::room_of_source(free, waiting_of_[slot]) == 0) {
    counters_.responses_suppressed.add();
    counters_.responses_suppressed_by_share.add();
    note_suppressed(limit, to, "its address has used up its share");
    return false;
  }
  if (!limit.all.take(now)) {
    counters_.responses_suppressed.add();
    note_suppressed(limit, to, "all addresses together have used up the rate");
    return false;
  }
  return true;
}

void StatelessResponder::note_suppressed(const Limit& limit, const base::SocketAddress& to,
                                         std::string_view why) {
  log_.write(base::LogLevel::kInfo, base::LogKind::kAnswerSuppressed, [&] {
    return "no " + std::string(limit.what) + " packet to " + to.to_string() + ": " + std::string(why) +
           "; the rate of such answers is " + std::to_string(limit.per_second) + " a second on each worker";
  });
}

void StatelessResponder::queue(const base::Path& path, std::span<const std::uint8_t> packet) {
  const std::size_t slot = source_slot(source_key_, path.remote);
  waiting_.push_back({path, {packet.begin(), packet.end()}, static_cast<std::uint16_t>(slot)});
  ++waiting_of_[slot];
}

void StatelessResponder::send(const base::Path& path, std::span<const std::uint8_t> packet) {
  queue(path, packet);
}

void StatelessResponder::repeat(const base::Path& path, std::span<const std::uint8_t> packet,
                                base::Instant now) {
  if (take_token(repeat_limit_, path.remote, now)) {
    queue(path, packet);
  }
}

void StatelessResponder::negotiate_version(const base::ReceivedDatagram& datagram,
                                           const ngtcp2_version_cid& header, base::Instant now) {
  if (!take_token(version_limit_, datagram.path.remote, now)) {
    return;
  }
  // RFC 8999 §6: IDs of unknown versions have up to 255 bytes. The answer only swaps them.
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet;
  std::uint8_t unused_bits = 0;
  random_.fill(std::span(&unused_bits, 1));
  const ngtcp2_ssize length = ngtcp2_pkt_write_version_negotiation(
      packet.data(), packet.size(), unused_bits, header.scid, header.scidlen, header.dcid, header.dcidlen,
      kVersions.data(), kVersions.size());
  if (length > 0) {
    queue(datagram.path, std::span(packet).first(static_cast<std::size_t>(length)));
    counters_.version_negotiations_sent.add();
  }
}

void StatelessResponder::retry(const base::Path& path, const ngtcp2_pkt_hd& header, base::Instant now) {
  if (!take_token(retry_limit_, path.remote, now)) {
    return;
  }
  const ngtcp2_cid scid = codec_.generate(random_).to_ngtcp2();
  const auto token = address_tokens_.make_retry_token({header.version, path.remote, scid}, header.dcid, now);
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet;
  const ngtcp2_ssize length =
      ngtcp2_crypto_write_retry(packet.data(), packet.size(), header.version, &header.scid, &scid,
                                &header.dcid, token.data(), token.size());
  if (length > 0) {
    queue(path, std::span(packet).first(static_cast<std::size_t>(length)));
    counters_.retries_sent.add();
  }
}

void StatelessResponder::reset(const base::ReceivedDatagram& datagram, std::span<const std::uint8_t> dcid,
                               base::Instant now) {
  // RFC 9000 §10.3, §10.3.3: smaller than the packet that it answers, so that two endpoints cannot loop, and
  // at least 5 unpredictable bytes before the token, so that it looks like a packet.
  constexpr std::size_t kMostRandomBytes = 27;
  const std::size_t trigger = datagram.payload.size();
  constexpr std::size_t kSmallest = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  if (trigger <= kSmallest || !take_token(reset_limit_, datagram.path.remote, now)) {
    return;
  }
  std::array<std::uint8_t, kMostRandomBytes> random_bytes;
  random_.fill(random_bytes);
  const std::size_t random_length = std::min(kMostRandomBytes, trigger - 1 - NGTCP2_STATELESS_RESET_TOKENLEN);
  std::array<std::uint8_t, ResetTokens::kLength> token;
  static_assert(token.size() == NGTCP2_STATELESS_RESET_TOKENLEN);
  if (!reset_tokens_.write(dcid, token.data())) {
    return;
  }
  std::array<std::uint8_t, kMostRandomBytes + NGTCP2_STATELESS_RESET_TOKENLEN> packet;
  const ngtcp2_ssize length = ngtcp2_pkt_write_stateless_reset(packet.data(), packet.size(), token.data(),
                                                               random_bytes.data(), random_length);
  if (length > 0) {
    queue(datagram.path, std::span(packet).first(static_cast<std::size_t>(length)));
    counters_.stateless_resets_sent.add();
  }
}

void StatelessResponder::refuse(const base::Path& path, const ngtcp2_pkt_hd& header,
                                std::uint64_t transport_code, base::Instant now) {
  if (!take_token(refuse_limit_, path.remote, now)) {
    return;
  }
  std::array<std::uint8_t, NGTCP2_MAX_UDP_PAYLOAD_SIZE> packet;
  const ngtcp2_ssize length = ngtcp2_crypto_write_connection_close(
      packet.data(), packet.size(), header.version, &header.scid, &header.dcid, transport_code, nullptr, 0);
  if (length > 0) {
    queue(path, std::span(packet).first(static_cast<std::size_t>(length)));
    counters_.stateless_closes_sent.add();
  }
}

void StatelessResponder::poll_send(base::SendBatch& batch) {
  while (!waiting_.empty()) {
    const Answer& answer = waiting_.front();
    const std::span<std::uint8_t> room = batch.room();
    if (room.size() < answer.packet.size()) {
      return;
    }
    std::memcpy(room.data(), answer.packet.data(), answer.packet.size());
    batch.commit(answer.path, base::Ecn::kNotEct, answer.packet.size());
    --waiting_of_[answer.slot];
    waiting_.pop_front();
  }
}

}  // namespace knul::quic
