// Address tokens where a connection is accepted: tokens of Retry and NEW_TOKEN, genuine, changed, too late,
// from another address or for another connection, and bytes that are none.
#include <algorithm>
#include <iterator>

#include "input.hpp"
#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/seeded_random_test_support.hpp"

namespace {

using namespace knul;
using namespace std::chrono_literals;

constexpr std::size_t kIdBytes = 8;
enum class Kind : std::uint8_t { kRetry, kNewToken, kForeign };

// What may go wrong between the making of a token and its use.
struct Journey {
  Kind kind;
  bool changes_address;
  bool changes_id;
  std::chrono::seconds age;
};

struct Ids {
  ngtcp2_cid retry_scid;  // the destination of the Initial that brings the token
  ngtcp2_cid original_dcid;
};

ngtcp2_cid make_id(std::uint8_t fill) {
  const fuzz::Bytes bytes(kIdBytes, fill);
  ngtcp2_cid id;
  ngtcp2_cid_init(&id, bytes.data(), bytes.size());
  return id;
}

fuzz::Bytes make_token(Kind kind, const Ids& ids, const base::SocketAddress& client, base::Instant now) {
  quic::SeededRandom random(1);
  quic::AddressTokens tokens(quic::EndpointPair::options().static_secret, random);
  const auto bytes = [](const auto& token) { return fuzz::Bytes(token.begin(), token.end()); };
  return kind == Kind::kRetry ? bytes(tokens.make_retry_token({NGTCP2_PROTO_VER_V1, client, ids.retry_scid},
                                                              ids.original_dcid, now))
                              : bytes(tokens.make_new_token(client, now));
}

// An Initial of version 1 whose protected part is nonsense: the token is judged before that.
fuzz::Bytes make_initial(const ngtcp2_cid& dcid, const fuzz::Bytes& token) {
  fuzz::Bytes packet{0xc3, 0, 0, 0, 1, kIdBytes};
  packet.insert(packet.end(), dcid.data, dcid.data + dcid.datalen);
  packet.push_back(0);
  packet.push_back(static_cast<std::uint8_t>(0x40 | token.size() >> 8));
  packet.push_back(static_cast<std::uint8_t>(token.size()));
  std::ranges::copy(token, std::back_inserter(packet));  // GCC 14 sees an overflow in an insert here
  packet.insert(packet.end(), {0x44, 0xb0});             // 1,200 bytes follow
  packet.resize(packet.size() + 1'200, 0x5a);
  return packet;
}

struct Outcome {
  std::uint64_t accepted, refused, retried;
};

Outcome deliver(quic::EndpointPair& pair, const fuzz::Bytes& packet, const base::SocketAddress& client) {
  const stats::WorkerCounters& counters = pair.server_counters;
  std::ignore = pair.server->handle_datagram(
      {{quic::EndpointPair::path().remote, client}, base::Ecn::kNotEct, packet}, pair.now);
  return {counters.connections_accepted.load(), counters.connections_refused_invalid_token.load(),
          counters.retries_sent.load()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxTokenBytes = 1'024;
  fuzz::Input input(data, size);
  const std::uint8_t bits = input.byte();
  const Journey journey{static_cast<Kind>(bits % 3), (bits & 0x10) != 0, (bits & 0x20) != 0,
                        std::chrono::seconds(input.number(3))};
  quic::EndpointPair pair([](quic::EndpointOptions& server, quic::EndpointOptions&) {
    server.retry = quic::RetryPolicy::kAlways;
  });
  base::SocketAddress client = quic::EndpointPair::path().local;
  const Ids ids{make_id(0xa1), make_id(0xb2)};
  const fuzz::Bytes genuine = make_token(journey.kind, ids, client, pair.now);
  fuzz::Bytes token = journey.kind == Kind::kForeign ? fuzz::Bytes() : genuine;
  const auto change = input.rest();
  token.resize(std::clamp(token.size(), change.size(), kMaxTokenBytes));
  for (std::size_t i = 0; i < std::min(change.size(), token.size()); ++i) {
    token[i] ^= change[i];
  }
  if (journey.changes_address) {
    client = *base::SocketAddress::parse("127.0.0.2", client.port());
  }
  pair.now += journey.age;
  const Outcome outcome =
      deliver(pair, make_initial(make_id(journey.changes_id ? 0xc3 : 0xa1), token), client);

  const bool is_retry = journey.kind == Kind::kRetry;
  const bool is_fresh =
      journey.age < (is_retry ? quic::AddressTokens::kRetryLifetime : quic::AddressTokens::kNewTokenLifetime);
  const bool is_good =
      token == genuine && is_fresh && !journey.changes_address && !(is_retry && journey.changes_id);
  FUZZ_CHECK(outcome.accepted == (is_good ? 1U : 0U));
  const bool looks_like_retry = quic::AddressTokens::is_retry_token(token);
  FUZZ_CHECK(outcome.refused == (!is_good && looks_like_retry ? 1U : 0U));
  FUZZ_CHECK(outcome.retried == (!is_good && !looks_like_retry ? 1U : 0U));
  return 0;
}
