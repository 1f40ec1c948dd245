// TLS 1.3 for QUIC (RFC 9001) on GnuTLS: the contexts that all sessions of a server or client share, and the
// session of one connection.
#pragma once

#include <ngtcp2/ngtcp2_crypto.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/key_log.hpp"
#include "base/result.hpp"
#include "quic/crypto/certificate_pair.hpp"
#include "quic/crypto/client_certificates.hpp"
#include "quic/crypto/gnutls_owners.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/server_names.hpp"
#include "quic/crypto/ticket_store.hpp"

namespace knul::quic {

class TlsServerContext;
class TlsClientContext;

// The data that TLS callbacks reach from a session: its ngtcp2 connection; on a server the client's offers,
// for the text of a refusal, and its certificate; on a client the store of tickets.
struct TlsConnRef : ngtcp2_crypto_conn_ref {
  // Lifetime: the session's. A union saves memory: each connection has this object, and uses one of both.
  union {
    const TlsServerContext* server = nullptr;  // of a server's session
    const TlsClientContext* client;            // of a client's session
  };
  std::vector<std::string> offered_alpn;
  bool has_transport_parameters = false;
  CertificateVerdict certificate_verdict = CertificateVerdict::kNone;  // why the server refuses the client
  PackedCertificate client_certificate;                                // on a server; empty without one
  const ProtectionLibrary* protection = nullptr;                       // null: GnuTLS protects packets
  AeadKeyList keys;                                                    // keys of `protection`
  HeaderKeyList header_keys;        // linked for leak checkers while the arena is packed
  TicketStore* tickets = nullptr;   // null: sessions are neither stored nor resumed
  std::string_view server_name;     // its key in `tickets`
  base::KeyLog* key_log = nullptr;  // null: secrets are not written
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
// The name that the client asks for (SNI), as it was sent; empty without one.
[[nodiscard]] std::string server_name_of(gnutls_session_t session);

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
  // The leaf that the peer has sent, unverified; nullopt without one.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate() const {
    return peer_certificate_of(session_.get());
  }
  void reset() { session_.reset(); }

 private:
  // Order: the session is destroyed before its context.
  std::shared_ptr<const void> context_;
  std::unique_ptr<gnutls_session_int, Free<gnutls_deinit>> session_;
};

// The key that encrypts session tickets (RFC 8446 §4.6.1). Contexts with the same key resume each other's
// sessions. Thread: any; immutable.
class TicketKey {
 public:
  static base::Result<std::shared_ptr<const TicketKey>> generate();
  ~TicketKey() { wipe_and_free(bytes_); }
  TicketKey(const TicketKey&) = delete;
  TicketKey& operator=(const TicketKey&) = delete;

  [[nodiscard]] const gnutls_datum_t& bytes() const { return bytes_; }

 private:
  TicketKey() = default;
  gnutls_datum_t bytes_{};
};

struct TlsServerOptions {
  // A handshake gets the first pair with the name that its client asks for, exact names before wildcards; the
  // first pair if none has it. Of pairs with the same name it gets the first that can sign for the client.
  std::vector<std::shared_ptr<const CertificatePair>> pairs;  // at least one
  std::vector<std::string> alpn;                              // in order of preference; not empty
  std::shared_ptr<const TicketKey> ticket_key = nullptr;      // null: a new one
  base::KeyLog* key_log = nullptr;  // null: none. Lifetime: outlives the context and its sessions
  ClientAuth client_auth = ClientAuth::kNone;
  std::shared_ptr<const ClientAuthorities> authorities = nullptr;  // not null unless client_auth is kNone
};

// Thread: any; immutable after create, except for the count of handshakes.
class TlsServerContext : public std::enable_shared_from_this<TlsServerContext> {
 public:
  static base::Result<std::shared_ptr<TlsServerContext>> create(TlsServerOptions options);
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  // Lifetime: `conn_ref` outlives the session.
  base::Result<TlsSession> create_session(TlsConnRef& conn_ref) const;
  [[nodiscard]] const std::vector<std::string>& alpn() const { return options_.alpn; }
  [[nodiscard]] const std::vector<std::shared_ptr<const CertificatePair>>& pairs() const {
    return options_.pairs;
  }
  [[nodiscard]] const std::shared_ptr<const TicketKey>& ticket_key() const { return options_.ticket_key; }
  [[nodiscard]] ClientAuth client_auth() const { return options_.client_auth; }
  [[nodiscard]] const std::shared_ptr<const ClientAuthorities>& authorities() const {
    return options_.authorities;
  }
  // With client certificates no session is resumed, because a resumed handshake does not verify them again.
  [[nodiscard]] bool gives_tickets() const { return options_.client_auth == ClientAuth::kNone; }
  // Makes a server's session ask for a certificate as client_auth() says. Its pointer is a TlsConnRef with
  // this context.
  void request_certificate(gnutls_session_t session) const;
  // For tests without QUIC. The session's pointer must be a TlsConnRef with this context.
  [[nodiscard]] gnutls_certificate_credentials_t credentials() const { return credentials_.get(); }

  // Completed handshakes of this context's sessions. Thread: any.
  void note_handshake() const { handshakes_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t handshakes() const { return handshakes_.load(std::memory_order_relaxed); }

 private:
  explicit TlsServerContext(TlsServerOptions options) : options_(std::move(options)) {}
  base::Status load();

  // GnuTLS asks for the certificates of a handshake.
  static int retrieve(gnutls_session_t session, const gnutls_cert_retr_st* info, gnutls_pcert_st** chain,
                      unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length,
                      gnutls_privkey_t* key, unsigned* flags);
  [[nodiscard]] const CertificatePair& choose(gnutls_session_t session) const;

  TlsServerOptions options_;
  ServerNames names_;  // with indices of options_.pairs
  Credentials credentials_;
  Priority priority_;
  mutable std::atomic<std::uint64_t> handshakes_{0};
};

// Where an endpoint gets the context of a new connection when the certificates of a running server change.
class TlsServerSource {
 public:
  virtual ~TlsServerSource() = default;
  // Replaces `tls` if there is a newer context. Thread: any. Takes a lock only if there is one.
  virtual void refresh(std::shared_ptr<const TlsServerContext>& tls) = 0;
};

struct TlsClientOptions {
  std::vector<std::string> alpn;
  std::span<const std::uint8_t> ca_pem;  // empty: the system's roots
  bool verify_peer = true;
  // TLS 1.3 ciphers in order of preference; empty: a server's ciphers.
  std::vector<gnutls_cipher_algorithm_t> ciphers = {};
  // The certificate for servers that ask for one; null: none.
  std::shared_ptr<const CertificatePair> pair = nullptr;
};

// Thread: any; immutable after create.
class TlsClientContext : public std::enable_shared_from_this<TlsClientContext> {
 public:
  static base::Result<std::shared_ptr<TlsClientContext>> create(const TlsClientOptions& options);

  // `server_name` is checked against the certificate and, unless it is an address, sent as SNI. Resumes a
  // session of conn_ref.tickets if there is one; then the peer sends no certificate, and the certificate of
  // that session counts. Lifetime: both arguments outlive the session.
  base::Result<TlsSession> create_session(TlsConnRef& conn_ref, const std::string& server_name) const;
  [[nodiscard]] bool verifies_peer() const { return verify_peer_; }

 private:
  TlsClientContext() = default;
  base::Status load(const TlsClientOptions& options);

  // The callback by which GnuTLS gets the client's certificate and key.
  static int retrieve(gnutls_session_t session, const gnutls_cert_retr_st* info, gnutls_pcert_st** chain,
                      unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length,
                      gnutls_privkey_t* key, unsigned* flags);

  Credentials credentials_;
  Priority priority_;
  std::vector<std::string> alpn_;
  std::shared_ptr<const CertificatePair> pair_;  // may be null
  bool verify_peer_ = true;
};

}  // namespace knul::quic
