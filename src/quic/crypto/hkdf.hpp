// HKDF (RFC 5869) and HMAC (RFC 2104) on Nettle, which GnuTLS stands on: half of the time that GnuTLS's own
// functions take, which wipe two contexts for each output, and less where a key is used again.
#pragma once

#include <nettle/hmac.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace knul::quic {

enum class HashFunction : std::uint8_t { kSha256, kSha384 };

// A key, and one message after the other. HKDF-Extract is an Hmac with the salt as its key. Wiped at the
// end. Thread: one.
class Hmac {
 public:
  Hmac(HashFunction hash, std::span<const std::uint8_t> key);
  ~Hmac();
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  // Writes the first out.size() bytes, at most what the hash function has: 32 or 48.
  void digest(std::span<const std::uint8_t> message, std::span<std::uint8_t> out);

 private:
  std::variant<hmac_sha256_ctx, hmac_sha384_ctx> context_;
};

// HKDF-Expand-Label (RFC 8446 §7.1) with an empty context, one block of output at most: 32 or 48 bytes. The
// label, in two parts so that QUIC versions may differ, comes without "tls13 "; 18 bytes at most.
void expand_label(Hmac& secret, std::string_view prefix, std::string_view label, std::span<std::uint8_t> out);

}  // namespace knul::quic
