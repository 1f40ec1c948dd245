#include "quic/wire/reset_tokens.hpp"

#include <array>
#include <new>
#include <string_view>

namespace knul::quic {

ResetTokens::ResetTokens(std::span<const std::uint8_t> static_secret) {
  constexpr std::string_view kLabel = "stateless reset";
  constexpr std::size_t kKeyBytes = 16;  // AES-128
  std::array<std::uint8_t, 32> derived;  // the output of SHA-256
  gnutls_hmac_hd_t key = nullptr;
  int result = gnutls_hmac_fast(GNUTLS_MAC_SHA256, static_secret.data(), static_secret.size(), kLabel.data(),
                                kLabel.size(), derived.data());
  if (result == GNUTLS_E_SUCCESS) {
    result = gnutls_hmac_init(&key, GNUTLS_MAC_AES_CMAC_128, derived.data(), kKeyBytes);
  }
  gnutls_memset(derived.data(), 0, derived.size());
  if (result != GNUTLS_E_SUCCESS) {
    throw std::bad_alloc();
  }
  key_.reset(key);
}

bool ResetTokens::write(std::span<const std::uint8_t> connection_id, std::uint8_t* token) {
  if (gnutls_hmac(key_.get(), connection_id.data(), connection_id.size()) != GNUTLS_E_SUCCESS) {
    return false;
  }
  gnutls_hmac_output(key_.get(), token);
  return true;
}

}  // namespace knul::quic
