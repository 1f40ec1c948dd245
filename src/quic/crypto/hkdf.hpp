// HKDF (RFC 5869) and HMAC (RFC 2104) on Nettle, which GnuTLS is built on. This takes half of the time of
// GnuTLS's own functions, which wipe two contexts for each output, and less for a key that is used again.
#pragma once

#include <nettle/hmac.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace knul::quic {

enum class HashFunction : std::uint8_t { kSha256, kSha384 };

// One key for any number of messages. HKDF-Extract is an Hmac with the salt as its key. The destructor wipes
// it. Thread: one.
class Hmac {
 public:
  Hmac(HashFunction hash, std::span<const std::uint8_t> key);
  ~Hmac();
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  // Writes the first out.size() bytes of the digest. The hash function limits them to 32 or 48.
  void digest(std::span<const std::uint8_t> message, std::span<std::uint8_t> out);

 private:
  std::variant<hmac_sha256_ctx, hmac_sha384_ctx> context_;
};

// HKDF-Expand-Label (RFC 8446 §7.1) with an empty context and at most one block of output: 32 or 48 bytes.
// The label has two parts so that QUIC versions may differ. Both together have at most 18 bytes and come
// without "tls13 ".
void expand_label(Hmac& secret, std::string_view prefix, std::string_view label, std::span<std::uint8_t> out);

}  // namespace knul::quic
