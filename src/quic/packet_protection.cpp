#include "quic/packet_protection.hpp"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "quic/tls_context.hpp"

namespace knul::quic {
namespace {

constexpr std::size_t kLongestKey = 32;

// A context is a GnuTLS handle or one of our keys; ours have bit 0 of the pointer set.
constexpr std::uintptr_t kOurs = 1;

bool is_ours(const void* handle) { return (reinterpret_cast<std::uintptr_t>(handle) & kOurs) != 0; }

template <class Key>
void* to_handle(std::unique_ptr<Key> key) {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(key.release()) | kOurs);
}

template <class Key>
Key& from_handle(void* handle) {
  return *reinterpret_cast<Key*>(reinterpret_cast<std::uintptr_t>(handle) & ~kOurs);
}

template <class Key>
void delete_key(void* handle) {
  const std::unique_ptr<Key> last(&from_handle<Key>(handle));
}

// 0 for ciphers that stay with GnuTLS.
std::size_t key_bytes(const ngtcp2_crypto_aead& aead) {
  const auto cipher =
      static_cast<gnutls_cipher_algorithm_t>(reinterpret_cast<std::uintptr_t>(aead.native_handle));
  switch (cipher) {
    case GNUTLS_CIPHER_AES_128_GCM:
      return 16;
    case GNUTLS_CIPHER_AES_256_GCM:
      return 32;
    default:
      return 0;
  }
}

// A traffic secret and how keys come from it. RFC 9001 §5.1.
class Secret {
 public:
  Secret(const ngtcp2_conn* conn, const ngtcp2_crypto_ctx& context, std::span<const std::uint8_t> bytes)
      : md_(context.md),
        prefix_(ngtcp2_conn_get_negotiated_version(const_cast<ngtcp2_conn*>(conn)) == NGTCP2_PROTO_VER_V2
                    ? "quicv2 "
                    : "quic "),
        bytes_(bytes) {}

  // HKDF-Expand-Label (RFC 8446 §7.1) with an empty context; `label` without its prefix.
  [[nodiscard]] bool derive(std::span<std::uint8_t> out, std::string_view label) const {
    constexpr std::string_view kTls = "tls13 ";
    std::array<std::uint8_t, 64> info{};
    std::size_t at = 0;
    info[at++] = 0;
    info[at++] = static_cast<std::uint8_t>(out.size());
    info[at++] = static_cast<std::uint8_t>(kTls.size() + prefix_.size() + label.size());
    for (const std::string_view part : {kTls, prefix_, label}) {
      std::ranges::copy(part, info.begin() + static_cast<std::ptrdiff_t>(at));
      at += part.size();
    }
    ++at;  // length of the context
    return ngtcp2_crypto_hkdf_expand(out.data(), out.size(), &md_, bytes_.data(), bytes_.size(), info.data(),
                                     at) == 0;
  }

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  ngtcp2_crypto_md md_;
  std::string_view prefix_;
  std::span<const std::uint8_t> bytes_;
};

// Raw keys on the stack, wiped.
struct RawKey {
  explicit RawKey(std::size_t size) : length(size) {}
  ~RawKey() { gnutls_memset(bytes.data(), 0, bytes.size()); }
  RawKey(const RawKey&) = delete;
  RawKey& operator=(const RawKey&) = delete;

  [[nodiscard]] std::span<std::uint8_t> span() { return std::span(bytes).first(length); }

  std::array<std::uint8_t, kLongestKey> bytes{};
  std::size_t length;
};

enum class Direction : std::uint8_t { kReceive, kSend };

int install(ngtcp2_conn* conn, ngtcp2_encryption_level level, Direction direction, const Secret& secret,
            ngtcp2_crypto_aead_ctx& aead, const std::uint8_t* iv, ngtcp2_crypto_cipher_ctx& header) {
  const bool is_receive = direction == Direction::kReceive;
  if (level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE) {
    return (is_receive ? ngtcp2_conn_install_rx_handshake_key : ngtcp2_conn_install_tx_handshake_key)(
        conn, &aead, iv, kAeadNonceBytes, &header);
  }
  return (is_receive ? ngtcp2_conn_install_rx_key : ngtcp2_conn_install_tx_key)(
      conn, secret.bytes().data(), secret.bytes().size(), &aead, iv, kAeadNonceBytes, &header);
}

bool install_keys(TlsConnRef& reference, ngtcp2_conn* conn, ngtcp2_encryption_level level,
                  Direction direction, std::span<const std::uint8_t> secret_bytes) {
  const ProtectionLibrary& library = *reference.protection;
  const ngtcp2_crypto_ctx& context = *ngtcp2_conn_get_crypto_ctx(conn);
  const Secret secret(conn, context, secret_bytes);
  RawKey key(key_bytes(context.aead));
  RawKey header_key(key.length);
  std::array<std::uint8_t, kAeadNonceBytes> iv;
  if (!secret.derive(key.span(), "key") || !secret.derive(iv, "iv") ||
      !secret.derive(header_key.span(), "hp")) {
    return false;
  }
  auto sealing = library.make_aead_key(key.span());
  AeadKey& made = *sealing;
  auto masking = library.make_header_key(header_key.span());
  HeaderKey& made_header = *masking;
  ngtcp2_crypto_aead_ctx aead{to_handle(std::move(sealing))};
  ngtcp2_crypto_cipher_ctx header{to_handle(std::move(masking))};
  if (install(conn, level, direction, secret, aead, iv.data(), header) != 0) {
    delete_key<AeadKey>(aead.native_handle);
    delete_key<HeaderKey>(header.native_handle);
    return false;
  }
  reference.keys.push_back(made);
  reference.header_keys.push_back(made_header);
  return true;
}

// The cipher is known when the first secrets come.
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
  auto& reference =
      *static_cast<TlsConnRef*>(static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session)));
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

void take_secrets(gnutls_session_t session) { gnutls_handshake_set_secret_function(session, &on_secrets); }

bool has_keys_of(const ProtectionLibrary* library, const ngtcp2_conn* conn) {
  return library != nullptr &&
         key_bytes(ngtcp2_conn_get_crypto_ctx(const_cast<ngtcp2_conn*>(conn))->aead) != 0;
}

bool update_key(TlsConnRef& reference, ngtcp2_conn* conn, const KeyUpdate& update) {
  const ngtcp2_crypto_ctx& context = *ngtcp2_conn_get_crypto_ctx(conn);
  const Secret current(conn, context, {update.current_secret, update.secret_bytes});
  const Secret next(conn, context, {update.secret, update.secret_bytes});
  RawKey key(key_bytes(context.aead));
  if (!current.derive({update.secret, update.secret_bytes}, "ku") || !next.derive(key.span(), "key") ||
      !next.derive({update.iv, kAeadNonceBytes}, "iv")) {
    return false;
  }
  auto made = reference.protection->make_aead_key(key.span());
  reference.keys.push_back(*made);
  update.context->native_handle = to_handle(std::move(made));
  return true;
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
