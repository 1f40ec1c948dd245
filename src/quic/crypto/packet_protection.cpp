#include "quic/crypto/packet_protection.hpp"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <array>
#include <optional>
#include <string_view>

#include "quic/crypto/hkdf.hpp"
#include "quic/crypto/tls_context.hpp"

namespace knul::quic {
namespace {

constexpr std::size_t kLongestKey = 32;

// RFC 9001 §5.2, RFC 9369 §3.3.1.
constexpr std::array<std::uint8_t, 20> kInitialSaltV1 = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                         0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                         0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
constexpr std::array<std::uint8_t, 20> kInitialSaltV2 = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6,
                                                         0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
                                                         0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};

// A context is a GnuTLS handle or one of our keys. Bit 0 of the pointer is set for ours.
constexpr std::uintptr_t kOurs = 1;

bool is_ours(const void* handle) { return (reinterpret_cast<std::uintptr_t>(handle) & kOurs) != 0; }

template <class Key>
void* to_handle(Key& key) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&key) | kOurs);
}

template <class Key>
Key& from_handle(void* handle) {
  return *reinterpret_cast<Key*>(reinterpret_cast<std::uintptr_t>(handle) & ~kOurs);
}

template <class Key>
void delete_key(void* handle) {
  const std::unique_ptr<Key> last(&from_handle<Key>(handle));
}

// Nothing before a cipher has been negotiated.
std::optional<Cipher> cipher_of(const ngtcp2_crypto_aead& aead) {
  switch (static_cast<gnutls_cipher_algorithm_t>(reinterpret_cast<std::uintptr_t>(aead.native_handle))) {
    case GNUTLS_CIPHER_AES_128_GCM:
      return Cipher::kAes128Gcm;
    case GNUTLS_CIPHER_AES_256_GCM:
      return Cipher::kAes256Gcm;
    case GNUTLS_CIPHER_CHACHA20_POLY1305:
      return Cipher::kChaCha20Poly1305;
    default:
      return std::nullopt;
  }
}

// Requires has_keys_of() of the connection.
Cipher cipher_of(ngtcp2_conn* conn) { return *cipher_of(ngtcp2_conn_get_crypto_ctx(conn)->aead); }

// AEAD_AES_128_GCM and SHA-256 (RFC 9001 §5.2), by the identifiers of ngtcp2_crypto_gnutls.
const ngtcp2_crypto_ctx& initial_context() {
  static const ngtcp2_crypto_ctx context = [] {
    const auto handle = [](auto algorithm) { return reinterpret_cast<void*>(std::uintptr_t{algorithm}); };
    ngtcp2_crypto_ctx made{};
    made.aead = {handle(GNUTLS_CIPHER_AES_128_GCM), kAeadTagBytes};
    made.md.native_handle = handle(GNUTLS_DIG_SHA256);
    made.hp.native_handle = handle(GNUTLS_CIPHER_AES_128_CBC);
    return made;
  }();
  return context;
}

// A traffic secret and its key derivation. RFC 9001 §5.1, RFC 9369 §3.3.2.
class Secret {
 public:
  Secret(std::uint32_t version, HashFunction hash, std::span<const std::uint8_t> bytes)
      : prefix_(version == NGTCP2_PROTO_VER_V2 ? "quicv2 " : "quic "), hmac_(hash, bytes) {}
  // Requires a connection with a negotiated cipher.
  Secret(const ngtcp2_conn* conn, std::span<const std::uint8_t> bytes)
      : Secret(ngtcp2_conn_get_negotiated_version(const_cast<ngtcp2_conn*>(conn)),
               bytes.size() == 48 ? HashFunction::kSha384 : HashFunction::kSha256, bytes) {}

  // HKDF-Expand-Label; `label` without its prefix.
  void derive(std::span<std::uint8_t> out, std::string_view label) {
    expand_label(hmac_, prefix_, label, out);
  }

 private:
  std::string_view prefix_;
  Hmac hmac_;
};

// Raw keys on the stack. The destructor wipes them.
struct RawKey {
  explicit RawKey(std::size_t size) : length(size) {}
  ~RawKey() { gnutls_memset(bytes.data(), 0, bytes.size()); }
  RawKey(const RawKey&) = delete;
  RawKey& operator=(const RawKey&) = delete;

  [[nodiscard]] std::span<std::uint8_t> span() { return std::span(bytes).first(length); }

  std::array<std::uint8_t, kLongestKey> bytes{};
  std::size_t length;
};

// Owns the keys of one direction until the QUIC library takes them.
struct PacketKeys {
  PacketKeys(const ProtectionLibrary& library, Secret& secret, Cipher cipher) {
    RawKey key(key_bytes(cipher));
    RawKey header_key(key_bytes(cipher));
    secret.derive(key.span(), "key");
    secret.derive(iv, "iv");
    secret.derive(header_key.span(), "hp");
    sealing = library.make_aead_key(cipher, key.span());
    masking = library.make_header_key(cipher, header_key.span());
  }

  // The QUIC library deletes the result, unless it refuses it.
  [[nodiscard]] ngtcp2_crypto_aead_ctx aead() const { return {to_handle(*sealing)}; }
  [[nodiscard]] ngtcp2_crypto_cipher_ctx header() const { return {to_handle(*masking)}; }
  void hand_over(TlsConnRef& reference) {
    reference.keys.push_back(*sealing.release());
    reference.header_keys.push_back(*masking.release());
  }

  std::unique_ptr<AeadKey> sealing;
  std::unique_ptr<HeaderKey> masking;
  std::array<std::uint8_t, kAeadNonceBytes> iv;
};

enum class Direction : std::uint8_t { kReceive, kSend };

bool install_keys(TlsConnRef& reference, ngtcp2_conn* conn, ngtcp2_encryption_level level,
                  Direction direction, std::span<const std::uint8_t> bytes) {
  Secret secret(conn, bytes);
  PacketKeys keys(*reference.protection, secret, cipher_of(conn));
  const ngtcp2_crypto_aead_ctx aead = keys.aead();
  const ngtcp2_crypto_cipher_ctx header = keys.header();
  const bool is_receive = direction == Direction::kReceive;
  const int result =
      level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
          ? (is_receive ? ngtcp2_conn_install_rx_handshake_key : ngtcp2_conn_install_tx_handshake_key)(
                conn, &aead, keys.iv.data(), kAeadNonceBytes, &header)
          : (is_receive ? ngtcp2_conn_install_rx_key : ngtcp2_conn_install_tx_key)(
                conn, bytes.data(), bytes.size(), &aead, keys.iv.data(), kAeadNonceBytes, &header);
  if (result != 0) {
    return false;
  }
  keys.hand_over(reference);
  return true;
}

std::unique_ptr<AeadKey> make_next_key(TlsConnRef& reference, ngtcp2_conn* conn, const KeyUpdate& update) {
  const std::span<std::uint8_t> next_bytes(update.secret, update.secret_bytes);
  Secret(conn, {update.current_secret, update.secret_bytes}).derive(next_bytes, "ku");
  Secret next(conn, next_bytes);
  const Cipher cipher = cipher_of(conn);
  RawKey key(key_bytes(cipher));
  next.derive(key.span(), "key");
  next.derive({update.iv, kAeadNonceBytes}, "iv");
  return reference.protection->make_aead_key(cipher, key.span());
}

// The cipher is known when the first secrets arrive.
void note_cipher(ngtcp2_conn* conn, gnutls_session_t session) {
  if (ngtcp2_conn_get_crypto_ctx(conn)->aead.native_handle == nullptr) {
    ngtcp2_crypto_ctx context{};
    ngtcp2_crypto_ctx_tls(&context, session);
    ngtcp2_conn_set_crypto_ctx(conn, &context);
  }
}

bool handle_secrets(TlsConnRef& reference, ngtcp2_conn* conn, ngtcp2_encryption_level level,
                    std::span<const std::uint8_t> rx, std::span<const std::uint8_t> tx) {
  const bool is_ours = level != NGTCP2_ENCRYPTION_LEVEL_0RTT && has_keys_of(reference.protection, conn);
  if (!is_ours) {
    return (rx.empty() || ngtcp2_crypto_derive_and_install_rx_key(conn, nullptr, nullptr, nullptr, level,
                                                                  rx.data(), rx.size()) == 0) &&
           (tx.empty() || ngtcp2_crypto_derive_and_install_tx_key(conn, nullptr, nullptr, nullptr, level,
                                                                  tx.data(), tx.size()) == 0);
  }
  return (rx.empty() || install_keys(reference, conn, level, Direction::kReceive, rx)) &&
         (tx.empty() || install_keys(reference, conn, level, Direction::kSend, tx));
}

int on_secrets(gnutls_session_t session, gnutls_record_encryption_level_t tls_level, const void* rx,
               const void* tx, std::size_t length) {
  TlsConnRef& reference = reference_of(session);
  ngtcp2_conn* conn = reference.get_conn(&reference);
  const auto bytes_of = [length](const void* secret) {
    return std::span(static_cast<const std::uint8_t*>(secret), secret == nullptr ? 0 : length);
  };
  try {
    note_cipher(conn, session);
    const auto level = ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(tls_level);
    return handle_secrets(reference, conn, level, bytes_of(rx), bytes_of(tx)) ? 0 : -1;
  } catch (...) {
    return -1;  // out of memory; GnuTLS is C
  }
}

}  // namespace

void redirect_secrets(gnutls_session_t session) {
  gnutls_handshake_set_secret_function(session, &on_secrets);
}

bool has_keys_of(const ProtectionLibrary* library, const ngtcp2_conn* conn) {
  return library != nullptr &&
         cipher_of(ngtcp2_conn_get_crypto_ctx(const_cast<ngtcp2_conn*>(conn))->aead).has_value();
}

bool install_initial_keys(TlsConnRef& reference, ngtcp2_conn* conn, std::span<const std::uint8_t> client_id) {
  constexpr std::size_t kSecretBytes = 32;
  const std::uint32_t version = ngtcp2_conn_get_client_chosen_version(conn);
  ngtcp2_conn_set_initial_crypto_ctx(conn, &initial_context());

  std::array<std::uint8_t, kSecretBytes> initial, client, server;
  Hmac(HashFunction::kSha256, version == NGTCP2_PROTO_VER_V2 ? kInitialSaltV2 : kInitialSaltV1)
      .digest(client_id, initial);
  Hmac extracted(HashFunction::kSha256, initial);
  expand_label(extracted, "client ", "in", client);
  expand_label(extracted, "server ", "in", server);
  Secret rx_secret(version, HashFunction::kSha256, client);
  Secret tx_secret(version, HashFunction::kSha256, server);
  PacketKeys rx(*reference.protection, rx_secret, Cipher::kAes128Gcm);
  PacketKeys tx(*reference.protection, tx_secret, Cipher::kAes128Gcm);
  const ngtcp2_crypto_aead_ctx rx_aead = rx.aead();
  const ngtcp2_crypto_aead_ctx tx_aead = tx.aead();
  const ngtcp2_crypto_cipher_ctx rx_header = rx.header();
  const ngtcp2_crypto_cipher_ctx tx_header = tx.header();
  if (ngtcp2_conn_install_initial_key(conn, &rx_aead, rx.iv.data(), &rx_header, &tx_aead, tx.iv.data(),
                                      &tx_header, kAeadNonceBytes) != 0) {
    return false;
  }
  rx.hand_over(reference);
  tx.hand_over(reference);
  return true;
}

void update_keys(TlsConnRef& reference, ngtcp2_conn* conn, const KeyUpdate& rx, const KeyUpdate& tx) {
  // Both are made before either is transferred: on an error the library takes neither.
  auto rx_key = make_next_key(reference, conn, rx);
  auto tx_key = make_next_key(reference, conn, tx);
  rx.context->native_handle = to_handle(*rx_key);
  tx.context->native_handle = to_handle(*tx_key);
  reference.keys.push_back(*rx_key.release());
  reference.keys.push_back(*tx_key.release());
}

int encrypt_packet(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                   const std::uint8_t* plaintext, std::size_t plaintext_length, const std::uint8_t* nonce,
                   std::size_t nonce_length, const std::uint8_t* aad, std::size_t aad_length) {
  if (!is_ours(context->native_handle)) {
    return ngtcp2_crypto_encrypt_cb(dest, aead, context, plaintext, plaintext_length, nonce, nonce_length,
                                    aad, aad_length);
  }
  AeadKey& key = from_handle<AeadKey>(context->native_handle);
  return key.seal(dest, {plaintext, plaintext_length}, nonce, {aad, aad_length})
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

int decrypt_packet(std::uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                   const std::uint8_t* ciphertext, std::size_t ciphertext_length, const std::uint8_t* nonce,
                   std::size_t nonce_length, const std::uint8_t* aad, std::size_t aad_length) {
  if (!is_ours(context->native_handle)) {
    return ngtcp2_crypto_decrypt_cb(dest, aead, context, ciphertext, ciphertext_length, nonce, nonce_length,
                                    aad, aad_length);
  }
  AeadKey& key = from_handle<AeadKey>(context->native_handle);
  return key.open(dest, {ciphertext, ciphertext_length}, nonce, {aad, aad_length}) ? 0 : NGTCP2_ERR_DECRYPT;
}

int mask_header(std::uint8_t* dest, const ngtcp2_crypto_cipher* cipher,
                const ngtcp2_crypto_cipher_ctx* context, const std::uint8_t* sample) {
  if (!is_ours(context->native_handle)) {
    return ngtcp2_crypto_hp_mask_cb(dest, cipher, context, sample);
  }
  return from_handle<HeaderKey>(context->native_handle).mask(dest, sample) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

void delete_aead_context(ngtcp2_conn* conn, ngtcp2_crypto_aead_ctx* context, void* user_data) {
  if (is_ours(context->native_handle)) {
    delete_key<AeadKey>(context->native_handle);
  } else {
    ngtcp2_crypto_delete_crypto_aead_ctx_cb(conn, context, user_data);
  }
}

void delete_cipher_context(ngtcp2_conn* conn, ngtcp2_crypto_cipher_ctx* context, void* user_data) {
  if (is_ours(context->native_handle)) {
    delete_key<HeaderKey>(context->native_handle);
  } else {
    ngtcp2_crypto_delete_crypto_cipher_ctx_cb(conn, context, user_data);
  }
}

}  // namespace knul::quic
