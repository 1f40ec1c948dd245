#include "quic/crypto/hkdf.hpp"

#include <gnutls/gnutls.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <array>

namespace knul::quic {

Hmac::Hmac(HashFunction hash, std::span<const std::uint8_t> key) {
  if (hash == HashFunction::kSha256) {
    hmac_sha256_set_key(&context_.emplace<hmac_sha256_ctx>(), key.size(), key.data());
  } else {
    hmac_sha384_set_key(&context_.emplace<hmac_sha384_ctx>(), key.size(), key.data());
  }
}

Hmac::~Hmac() {
  std::visit([](auto& context) { gnutls_memset(&context, 0, sizeof(context)); }, context_);
}

void Hmac::digest(std::span<const std::uint8_t> message, std::span<std::uint8_t> out) {
  if (auto* sha256 = std::get_if<hmac_sha256_ctx>(&context_)) {
    hmac_sha256_update(sha256, message.size(), message.data());
    hmac_sha256_digest(sha256, out.size(), out.data());
  } else {
    auto& sha384 = std::get<hmac_sha384_ctx>(context_);
    hmac_sha384_update(&sha384, message.size(), message.data());
    hmac_sha384_digest(&sha384, out.size(), out.data());
  }
}

void expand_label(Hmac& secret, std::string_view prefix, std::string_view label,
                  std::span<std::uint8_t> out) {
  constexpr std::string_view kTls = "tls13 ";
  std::array<std::uint8_t, 32> info{};
  std::size_t at = 0;
  info[at++] = 0;
  info[at++] = static_cast<std::uint8_t>(out.size());
  info[at++] = static_cast<std::uint8_t>(kTls.size() + prefix.size() + label.size());
  for (const std::string_view part : {kTls, prefix, label}) {
    at = static_cast<std::size_t>(
        std::ranges::copy(part, info.begin() + static_cast<std::ptrdiff_t>(at)).out - info.begin());
  }
  ++at;            // the length of the context, 0
  info[at++] = 1;  // the number of the output block (RFC 5869 §2.3)
  secret.digest(std::span(info).first(at), out);
}

}  // namespace knul::quic
