// Tokens that validate a client's address: in a Retry packet (RFC 9000 §8.1.2) and in a NEW_TOKEN frame
// (§8.1.3).
#pragma once

#include <nettle/siv-cmac.h>
#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/random.hpp"
#include "base/socket_address.hpp"
#include "base/time.hpp"

namespace knul::quic {

// A token is a byte for its kind, a nonce, and the sealed time and content (AES-SIV, RFC 5297, one key). It
// authenticates its binding without containing it. A token shows only its kind, cannot be linked to a
// connection, and reveals nothing if two nonces are equal by chance. The key is expanded once, so that a
// flood of tokens, true or false, costs less than its datagrams. Tokens are not remembered: a token is valid
// any number of times until its lifetime ends. No call fails or blocks.
// Every worker of a server reads the tokens of the other workers, whose clocks may be a little ahead.
// Thread: one.
class AddressTokens {
 public:
  static constexpr base::Duration kRetryLifetime = std::chrono::seconds(10);
  static constexpr base::Duration kNewTokenLifetime = std::chrono::hours(24);

  // A Retry token is valid only for the next Initial of the same client.
  struct RetryBinding {
    std::uint32_t version;
    const base::SocketAddress& client;
    const ngtcp2_cid& source_cid;  // of the Retry packet
  };

 private:
  static constexpr std::size_t kNonceBytes = 16;
  static constexpr std::size_t kTimeBytes = 8;
  static constexpr std::size_t kOverhead = 1 + kNonceBytes + SIV_DIGEST_SIZE;
  static constexpr std::size_t kRetryContent = kTimeBytes + 1 + NGTCP2_MAX_CIDLEN;  // with the longest ID

 public:
  using NewToken = std::array<std::uint8_t, kOverhead + kTimeBytes>;
  using RetryToken = std::array<std::uint8_t, kOverhead + kRetryContent>;

  // The key is derived from `static_secret` with its own label. Lifetime: `random` outlives this object.
  AddressTokens(std::span<const std::uint8_t> static_secret, base::RandomSource& random);
  ~AddressTokens();
  AddressTokens(const AddressTokens&) = delete;
  AddressTokens& operator=(const AddressTokens&) = delete;

  // Bound to the client's IP address; the port may change.
  [[nodiscard]] NewToken make_new_token(const base::SocketAddress& client, base::Instant now);
  [[nodiscard]] bool is_valid_new_token(std::span<const std::uint8_t> token,
                                        const base::SocketAddress& client, base::Instant now) const;

  [[nodiscard]] RetryToken make_retry_token(const RetryBinding& binding, const ngtcp2_cid& original_dcid,
                                            base::Instant now);
  // True for a token that claims to come from a Retry of this server. A false one refuses the connection; any
  // other unknown token is treated as absent.
  [[nodiscard]] static bool is_retry_token(std::span<const std::uint8_t> token);
  // Returns the original destination connection ID. Empty: the token is forged, expired, or bound to
  // something else.
  [[nodiscard]] std::optional<ngtcp2_cid> open_retry_token(std::span<const std::uint8_t> token,
                                                           const RetryBinding& binding,
                                                           base::Instant now) const;

 private:
  // `token` begins with its kind, `content` with room for the time.
  void seal(std::span<const std::uint8_t> bound, base::Instant now, std::span<std::uint8_t> content,
            std::span<std::uint8_t> token);
  [[nodiscard]] bool open(std::span<const std::uint8_t> token, std::span<const std::uint8_t> bound,
                          base::Instant now, base::Duration lifetime, std::span<std::uint8_t> content) const;

  siv_cmac_aes128_ctx key_;
  base::RandomSource& random_;
};

}  // namespace knul::quic
