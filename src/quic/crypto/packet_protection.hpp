// Puts a ProtectionLibrary under the QUIC library in place of GnuTLS, for a server's Initial packets and for
// Handshake and 1-RTT packets. GnuTLS keeps the rest (a client's Initial packets, Retry, 0-RTT), so the
// functions with a context parameter accept contexts of both.
#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/tls_context.hpp"

namespace knul::quic {

// From then on the library that the session's TlsConnRef names gets its keys. Call it after
// ngtcp2_crypto_gnutls_configure_*_session, which sends them to GnuTLS.
void redirect_secrets(gnutls_session_t session);

// True if `library` holds the 1-RTT keys of `conn`.
[[nodiscard]] bool has_keys_of(const ProtectionLibrary* library, const ngtcp2_conn* conn);

// Derives a server's Initial keys from the Destination Connection ID of the client's first packet (RFC 9001
// §5.2). Requires that `reference` names a library. False: the QUIC library refused the keys.
[[nodiscard]] bool install_initial_keys(TlsConnRef& reference, ngtcp2_conn* conn,
                                        std::span<const std::uint8_t> client_id);

// The outputs of the QUIC library's update_key for one direction: the next secret, derived from the current
// one, and its key and IV (RFC 9001 §6.1).
struct KeyUpdate {
  std::uint8_t* secret;
  ngtcp2_crypto_aead_ctx* context;
  std::uint8_t* iv;
  const std::uint8_t* current_secret;
  std::size_t secret_bytes;
};
// Throws std::bad_alloc, and then neither direction has a key.
void update_keys(TlsConnRef& reference, ngtcp2_conn* conn, const KeyUpdate& rx, const KeyUpdate& tx);

// Callbacks of the QUIC library.
int encrypt_packet(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                   const std::uint8_t* plaintext, std::size_t plaintext_length, const std::uint8_t* nonce,
                   std::size_t nonce_length, const std::uint8_t* aad, std::size_t aad_length);
int decrypt_packet(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                   const std::uint8_t* ciphertext, std::size_t ciphertext_length, const std::uint8_t* nonce,
                   std::size_t nonce_length, const std::uint8_t* aad, std::size_t aad_length);
int mask_header(std::uint8_t* dest, const ngtcp2_crypto_cipher* cipher,
                const ngtcp2_crypto_cipher_ctx* context, const std::uint8_t* sample);
void delete_aead_context(ngtcp2_conn* conn, ngtcp2_crypto_aead_ctx* context, void* user_data);
void delete_cipher_context(ngtcp2_conn* conn, ngtcp2_crypto_cipher_ctx* context, void* user_data);

}  // namespace knul::quic
