// TLS 1.3 for QUIC (RFC 9001) on GnuTLS: the contexts that all sessions of a server or client share, and the
// session of one connection.
#pragma once

#include <ngtcp2/ngtcp2_crypto.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/key_log.hpp"
#include "base/result.hpp"
#include "quic/crypto/gnutls_owners.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/ticket_store.hpp"

namespace knul::quic {

// The data that TLS callbacks reach from a session: its ngtcp2 connection; on a server the client's offers,
// for the text of a refusal; on a client the store of tickets.
struct TlsConnRef : ngtcp2_crypto_conn_ref {
  std::vector<std::string> offered_alpn;
  bool has_transport_parameters = false;
  const ProtectionLibrary* protection = nullptr;  // null: GnuTLS protects packets
  AeadKeyList keys;                               // keys of `protection`
  HeaderKeyList header_keys;                      // linked for leak checkers while the arena is packed
  TicketStore* tickets = nullptr;                 // null: sessions are neither stored nor resumed
  std::string_view server_name;                   // its key in `tickets`
  base::KeyLog* key_log = nullptr;                // null: secrets are not written
};

// The reference that create_session() bound to `session`.
TlsConnRef& reference_of(gnutls_session_t session);

// The negotiated algorithms, by GnuTLS' numbers. 0: none yet.
struct TlsAlgorithms {
  std::uint16_t cipher = 0;
  std::uint16_t group = 0;

  // Lifetime: constant. "" for 0.
  [[nodiscard]] std::string_view cipher_name() const;
  [[nodiscard]] std::string_view group_name() const;
};

// The TLS session of one connection. Lifetime: keeps its context alive (certificates, ticket key).
class TlsSession {
 public:
  TlsSession() = default;
  TlsSession(gnutls_session_t session, std::shared_ptr<const void> context)
      : context_(std::move(context)), session_(session) {}

  [[nodiscard]] bool is_open() const { return session_ != nullptr; }
  [[nodiscard]] gnutls_session_t native() const { return session_.get(); }
  [[nodiscard]] std::string alpn() const;
  [[nodiscard]] std::string server_name() const;
  // After the handshake.
  [[nodiscard]] TlsAlgorithms algorithms() const;
  [[nodiscard]] bool is_resumed() const;
  // On a server after the handshake: queues one NewSessionTicket (RFC 8446 §4.6.1) as CRYPTO data.
  void send_ticket();
  // Why the peer's certificate was rejected; empty if it was accepted.
  [[nodiscard]] std::string verification_failure() const;
  void reset() { session_.reset(); }

 private:
  // Order: the session is destroyed before its context.
  std::shared_ptr<const void> context_;
  std::unique_ptr<gnutls_session_int, Free<gnutls_deinit>> session_;
};

struct TlsServerOptions {
  std::span<const std::uint8_t> certificate_pem;  // chain, leaf first
  std::span<const std::uint8_t> private_key_pem;  // unencrypted
  std::vector<std::string> alpn;                  // in order of preference; not empty
  base::KeyLog* key_log = nullptr;  // null: none. Lifetime: outlives the context and its sessions
};

// Thread: any; immutable after create.
class TlsServerContext : public std::enable_shared_from_this<TlsServerContext> {
 public:
  // kCredentials: not PEM, encrypted, or the key does not belong to the certificate.
  static base::Result<std::shared_ptr<TlsServerContext>> create(const TlsServerOptions& options);
  ~TlsServerContext();
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  // Lifetime: `conn_ref` outlives the session.
  base::Result<TlsSession> create_session(TlsConnRef& conn_ref) const;
  [[nodiscard]] const std::vector<std::string>& alpn() const { return alpn_; }
  // The end of the leaf certificate's validity, in Unix seconds.
  [[nodiscard]] std::int64_t certificate_not_after() const { return certificate_not_after_; }

 private:
  TlsServerContext() = default;
  base::Status load(const TlsServerOptions& options);

  Credentials credentials_;
  Priority priority_;
  gnutls_datum_t ticket_key_{};
  std::vector<std::string> alpn_;
  base::KeyLog* key_log_ = nullptr;
  std::int64_t certificate_not_after_ = 0;
};

struct TlsClientOptions {
  std::vector<std::string> alpn;
  std::span<const std::uint8_t> ca_pem;  // empty: the system's roots
  bool verify_peer = true;
  // TLS 1.3 ciphers in order of preference; empty: a server's ciphers.
  std::vector<gnutls_cipher_algorithm_t> ciphers = {};
};

// Thread: any; immutable after create.
class TlsClientContext : public std::enable_shared_from_this<TlsClientContext> {
 public:
  static base::Result<std::shared_ptr<TlsClientContext>> create(const TlsClientOptions& options);

  // `server_name` is checked against the certificate and, unless it is an address, sent as SNI. Resumes a
  // session of conn_ref.tickets if there is one; then the peer sends no certificate, and the certificate of
  // that session counts. Lifetime: both arguments outlive the session.
  base::Result<TlsSession> create_session(TlsConnRef& conn_ref, const std::string& server_name) const;

 private:
  TlsClientContext() = default;
  base::Status load(const TlsClientOptions& options);

  Credentials credentials_;
  Priority priority_;
  std::vector<std::string> alpn_;
  bool verify_peer_ = true;
};

}  // namespace knul::quic
