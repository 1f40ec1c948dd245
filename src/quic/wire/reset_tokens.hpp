// The tokens of Stateless Resets (RFC 9000 §10.3.2): a keyed hash of the connection ID, so that a server that
// has forgotten a connection still knows its token.
#pragma once

#include <gnutls/crypto.h>

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace knul::quic {

// AES-CMAC, whose output has a token's length: a handshake needs several tokens, and one by HKDF costs 0.8
// µs, one by a key kept ready 0.03. Thread: one. Every worker of a server makes the same tokens.
class ResetTokens {
 public:
  static constexpr std::size_t kLength = 16;

  // The key is derived from `static_secret` by a label of its own. Throws std::bad_alloc.
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
