// Stateless Reset tokens (RFC 9000 §10.3.2): a keyed hash of the connection ID, so that a server that has
// forgotten a connection can compute its token.
#pragma once

#include <gnutls/crypto.h>

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace knul::quic {

// AES-CMAC, whose output has the length of a token. A handshake needs several tokens; each costs 0.03 µs with
// a prepared key, by HKDF 0.8 µs. Every worker of a server makes the same tokens. Thread: one.
class ResetTokens {
 public:
  static constexpr std::size_t kLength = 16;

  // The key is derived from `static_secret` with its own label. Throws std::bad_alloc.
  explicit ResetTokens(std::span<const std::uint8_t> static_secret);

  // Writes kLength bytes. False: out of memory.
  [[nodiscard]] bool write(std::span<const std::uint8_t> connection_id, std::uint8_t* token);

 private:
  struct Deinit {
    void operator()(gnutls_hmac_hd_t key) const { gnutls_hmac_deinit(key, nullptr); }
  };
  std::unique_ptr<std::remove_pointer_t<gnutls_hmac_hd_t>, Deinit> key_;
};

}  // namespace knul::quic
