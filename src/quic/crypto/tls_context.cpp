#include "quic/crypto/tls_context.hpp"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "quic/crypto/packet_protection.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;

// X25519 is first: it is the fastest group, and a client sends a key share for the first group that it
// offers. %DISABLE_TLS13_COMPAT_MODE: QUIC forbids the compatibility session ID (RFC 9001 §8.4).
constexpr std::string_view kPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:"
    "%DISABLE_TLS13_COMPAT_MODE:-CIPHER-ALL";
constexpr std::array kCiphers = {GNUTLS_CIPHER_AES_128_GCM, GNUTLS_CIPHER_AES_256_GCM,
                                 GNUTLS_CIPHER_CHACHA20_POLY1305};

Error tls_error(ErrorKind kind, const std::string& what, int code) {
  return {kind, what + ": " + gnutls_strerror(code)};
}

gnutls_datum_t datum(std::span<const std::uint8_t> bytes) {
  // GnuTLS takes a mutable pointer but only reads through it.
  return {const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}

bool holds_private_key(std::span<const std::uint8_t> pem) {
  const std::string_view text(reinterpret_cast<const char*>(pem.data()), pem.size());
  return text.find("PRIVATE KEY-----") != std::string_view::npos;
}

base::Result<Priority> make_priority(std::span<const gnutls_cipher_algorithm_t> ciphers) {
  std::string text(kPriority);
  for (const gnutls_cipher_algorithm_t cipher : ciphers) {
    text.append(":+").append(gnutls_cipher_get_name(cipher));
  }
  gnutls_priority_t priority = nullptr;
  if (const int rv = gnutls_priority_init(&priority, text.c_str(), nullptr); rv != GNUTLS_E_SUCCESS) {
    return tls_error(ErrorKind::kInternal, "cannot set the TLS priorities", rv);
  }
  return Priority(priority);
}

base::Result<Credentials> make_credentials() {
  gnutls_certificate_credentials_t credentials = nullptr;
  if (const int rv = gnutls_certificate_allocate_credentials(&credentials); rv != GNUTLS_E_SUCCESS) {
    return tls_error(ErrorKind::kOutOfMemory, "cannot create TLS credentials", rv);
  }
  return Credentials(credentials);
}

// Trusts the certificates of `ca_pem`, or the system's if it is empty.
base::Status trust(gnutls_certificate_credentials_t credentials, std::span<const std::uint8_t> ca_pem) {
  if (ca_pem.empty()) {
    const int rv = gnutls_certificate_set_x509_system_trust(credentials);
    return rv >= 0 ? base::Status{}
                   : tls_error(ErrorKind::kCredentials, "cannot load the system's trusted certificates", rv);
  }
  const gnutls_datum_t ca = datum(ca_pem);
  const int rv = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
  if (rv <= 0 && holds_private_key(ca_pem)) {
    return Error{ErrorKind::kCredentials, "ca_path: the file holds a private key, expected PEM certificates"};
  }
  if (rv == 0) {
    return Error{ErrorKind::kCredentials,
                 "ca_path: the file holds no certificate, expected PEM certificates"};
  }
  return rv > 0 ? base::Status{}
                : tls_error(ErrorKind::kCredentials, "ca_path: expected PEM certificates", rv);
}

int set_alpn(gnutls_session_t session, const std::vector<std::string>& names, unsigned flags) {
  std::vector<gnutls_datum_t> protocols;
  protocols.reserve(names.size());
  for (const std::string& name : names) {
    protocols.push_back(datum({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}));
  }
  return gnutls_alpn_set_protocols(session, protocols.data(), static_cast<unsigned>(protocols.size()), flags);
}

// Notes the two extensions that QUIC requires. ALPN (RFC 7301 §3.1) is a two-byte list length, then names
// with a length byte each.
int read_extension(void* context, unsigned tls_id, const unsigned char* data, unsigned size) {
  constexpr unsigned kAlpn = 16;
  constexpr unsigned kTransportParameters = 0x39;
  auto& reference = *static_cast<TlsConnRef*>(context);
  if (tls_id == kTransportParameters) {
    reference.has_transport_parameters = true;
  }
  if (tls_id != kAlpn) {
    return 0;
  }
  for (unsigned at = 2; at < size && at + data[at] < size; at += 1U + data[at]) {
    reference.offered_alpn.emplace_back(reinterpret_cast<const char*>(data) + at + 1, data[at]);
  }
  return 0;
}

// RFC 9001 §8.1, §8.2: the handshake must fail without an agreed application protocol or without transport
// parameters. GnuTLS only refuses an ALPN offer without a match, so this function refuses missing extensions.
int require_extensions(gnutls_session_t session, unsigned, unsigned, unsigned,
                       const gnutls_datum_t* message) {
  TlsConnRef& reference = reference_of(session);
  reference.offered_alpn.clear();
  if (gnutls_ext_raw_parse(&reference, &read_extension, message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0) {
    return 0;  // malformed: GnuTLS reports how
  }
  if (!reference.has_transport_parameters) {
    return GNUTLS_E_MISSING_EXTENSION;
  }
  return reference.offered_alpn.empty() ? GNUTLS_E_NO_APPLICATION_PROTOCOL : 0;
}

// The same for a server that asks for certificates, which also examines the client's.
int examine_message(gnutls_session_t session, unsigned type, unsigned when, unsigned is_incoming,
                    const gnutls_datum_t* message) {
  if (is_incoming == 0) {
    return 0;
  }
  TlsConnRef& reference = reference_of(session);
  switch (type) {
    case GNUTLS_HANDSHAKE_CLIENT_HELLO:
      return require_extensions(session, type, when, is_incoming, message);
    case GNUTLS_HANDSHAKE_CERTIFICATE_PKT:
      return examine_certificate_message({message->data, message->size}, reference.server->client_auth(),
                                         reference.certificate_verdict);
    case GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY:
      // Until judge_certificate() runs, the handshake can only fail because of the signature.
      reference.certificate_verdict = CertificateVerdict::kSignature;
      return 0;
    default:
      return 0;
  }
}

// The client has proved that it has the key of its certificate, or has sent none.
int judge_certificate(gnutls_session_t session) {
  TlsConnRef& reference = reference_of(session);
  try {
    JudgedCertificate judged = judge_client(session);
    reference.certificate_verdict = judged.verdict;
    reference.client_certificate = std::move(judged.certificate);
  } catch (const std::bad_alloc&) {  // exceptions must not pass through C
    return GNUTLS_E_MEMORY_ERROR;
  }
  return reference.certificate_verdict == CertificateVerdict::kNone ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

// A NewSessionTicket has arrived.
int keep_ticket(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  const TlsConnRef& reference = reference_of(session);
  gnutls_datum_t packed{};
  if (gnutls_session_get_data2(session, &packed) != GNUTLS_E_SUCCESS) {
    return 0;  // without a ticket the next connection makes a full handshake
  }
  try {
    reference.tickets->put(reference.server_name, {packed.data, packed.size});
  } catch (const std::bad_alloc&) {  // the same; exceptions must not pass through C
  }
  wipe_and_free(packed);
  return 0;
}

// GnuTLS ignores a session that is too old and makes a full handshake.
void resume(gnutls_session_t session, const TlsConnRef& reference) {
  const std::vector<std::uint8_t> packed = reference.tickets->take(reference.server_name);
  if (!packed.empty()) {
    gnutls_session_set_data(session, packed.data(), packed.size());
  }
  gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST,
                                     &keep_ticket);
}

// True if the client accepts a signature that the pair can make.
bool can_sign_for(gnutls_session_t session, const CertificatePair& pair) {
  gnutls_sign_algorithm_t scheme = GNUTLS_SIGN_UNKNOWN;
  for (std::size_t i = 0; gnutls_sign_algorithm_get_requested(session, i, &scheme) == GNUTLS_E_SUCCESS; ++i) {
    if (pair.can_sign(scheme)) {
      return true;
    }
  }
  return false;
}

bool is_address(const std::string& name) {
  std::array<std::uint8_t, 16> bytes{};
  return inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

// Replaces GnuTLS's own function, which would append the secrets to the file that the environment variable
// SSLKEYLOGFILE names, readable by all.
int log_secret(gnutls_session_t session, const char* label, const gnutls_datum_t* secret) {
  if (base::KeyLog* const key_log = reference_of(session).key_log) {
    gnutls_datum_t client_random{};
    gnutls_datum_t server_random{};
    gnutls_session_get_random(session, &client_random, &server_random);
    key_log->write(label, {client_random.data, client_random.size}, {secret->data, secret->size});
  }
  return 0;
}

// Lends the pair to GnuTLS for a callback; null: there is none.
int lend_pair(const CertificatePair* pair, gnutls_pcert_st** chain, unsigned* chain_length,
              gnutls_privkey_t* key) {
  *chain = pair == nullptr ? nullptr : pair->chain().data();
  *chain_length = pair == nullptr ? 0 : static_cast<unsigned>(pair->chain().size());
  *key = pair == nullptr ? nullptr : pair->key();
  return 0;
}

struct SessionParts {
  unsigned flags;
  gnutls_priority_t priority;
  gnutls_certificate_credentials_t credentials;
  const std::vector<std::string>& alpn;
  unsigned alpn_flags;
  std::shared_ptr<const void> context;  // the session keeps it alive
};

// Connects the session with its connection, and its secrets with the library that protects packets.
TlsSession bind(TlsSession session, TlsConnRef& conn_ref) {
  gnutls_session_set_ptr(session.native(), static_cast<ngtcp2_crypto_conn_ref*>(&conn_ref));
  if (conn_ref.protection != nullptr) {
    redirect_secrets(session.native());
  }
  return session;
}

// The common part of server and client sessions.
base::Result<TlsSession> make_session(SessionParts parts) {
  gnutls_session_t native = nullptr;
  // NO_END_OF_EARLY_DATA: QUIC has no such message (RFC 9001 §8.3).
  if (const int rv = gnutls_init(&native, parts.flags | GNUTLS_NO_END_OF_EARLY_DATA); rv != 0) {
    return tls_error(ErrorKind::kOutOfMemory, "cannot create a TLS session", rv);
  }
  TlsSession session(native, std::move(parts.context));
  gnutls_session_set_keylog_function(native, &log_secret);
  int rv = gnutls_priority_set(native, parts.priority);
  if (rv == 0)
    rv = gnutls_credentials_set(native, GNUTLS_CRD_CERTIFICATE, parts.credentials);
  if (rv == 0)
    rv = set_alpn(native, parts.alpn, parts.alpn_flags);
  if (rv != 0) {
    return tls_error(ErrorKind::kInternal, "cannot configure a TLS session", rv);
  }
  return session;
}

}  // namespace

TlsConnRef& reference_of(gnutls_session_t session) {
  return *static_cast<TlsConnRef*>(static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session)));
}

base::Result<std::shared_ptr<const TicketKey>> TicketKey::generate() {
  const std::shared_ptr<TicketKey> key(new TicketKey);
  if (const int rv = gnutls_session_ticket_key_generate(&key->bytes_); rv != GNUTLS_E_SUCCESS) {
    return tls_error(ErrorKind::kInternal, "cannot create a session ticket key", rv);
  }
  return std::shared_ptr<const TicketKey>(key);
}

base::Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(TlsServerOptions options) {
  std::shared_ptr<TlsServerContext> context(new TlsServerContext(std::move(options)));
  if (base::Status status = context->load(); !status) {
    return std::move(status).error();
  }
  return context;
}

base::Status TlsServerContext::load() {
  auto priority = make_priority(kCiphers);
  if (!priority) {
    return std::move(priority).error();
  }
  priority_ = *std::move(priority);
  auto credentials = make_credentials();
  if (!credentials) {
    return std::move(credentials).error();
  }
  credentials_ = *std::move(credentials);
  gnutls_certificate_set_retrieve_function3(credentials_.get(), &retrieve);
  for (std::size_t i = 0; i < options_.pairs.size(); ++i) {
    for (const std::string& name : options_.pairs[i]->facts().names) {
      names_.add(name, i);
    }
  }
  if (options_.ticket_key == nullptr) {
    auto key = TicketKey::generate();
    if (!key) {
      return std::move(key).error();
    }
    options_.ticket_key = *std::move(key);
  }
  return options_.authorities == nullptr ? base::Status{} : options_.authorities->install(credentials_.get());
}

// Not GnuTLS's own choice by name: it compares names byte by byte, so that a wildcard never matches, and for
// an unknown name it takes any certificate of a suitable kind.
int TlsServerContext::retrieve(gnutls_session_t session, const gnutls_cert_retr_st*, gnutls_pcert_st** chain,
                               unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length,
                               gnutls_privkey_t* key, unsigned* flags) {
  try {
    *ocsp = nullptr;
    *ocsp_length = 0;
    *flags = 0;  // the pair keeps what it lends
    return lend_pair(&reference_of(session).server->choose(session), chain, chain_length, key);
  } catch (const std::bad_alloc&) {  // exceptions must not pass through C
    return -1;
  }
}

const CertificatePair& TlsServerContext::choose(gnutls_session_t session) const {
  if (options_.pairs.size() == 1) {
    return *options_.pairs.front();
  }
  const std::string name = normalized_server_name(server_name_of(session));
  const std::span<const std::size_t> exact = names_.find(name);
  const std::span<const std::size_t> by_wildcard = names_.find_wildcard(name);
  for (const std::span<const std::size_t> indices : {exact, by_wildcard}) {
    const auto usable = std::ranges::find_if(
        indices, [&](std::size_t index) { return can_sign_for(session, *options_.pairs[index]); });
    if (usable != indices.end()) {
      return *options_.pairs[*usable];
    }
  }
  // With the wrong key the handshake fails, with the wrong name the client ends it: the first tells more.
  const std::span<const std::size_t> named = exact.empty() ? by_wildcard : exact;
  return *options_.pairs[named.empty() ? 0 : named.front()];
}

base::Result<TlsSession> TlsServerContext::create_session(TlsConnRef& conn_ref) const {
  // NO_AUTO_SEND_TICKET: Connection sends a ticket when the handshake completes.
  auto session = make_session({.flags = GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET,
                               .priority = priority_.get(),
                               .credentials = credentials_.get(),
                               .alpn = options_.alpn,
                               .alpn_flags = GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE,
                               .context = shared_from_this()});
  if (!session) {
    return session;
  }
  gnutls_session_t native = session->native();
  int rv = gives_tickets() ? gnutls_session_ticket_enable_server(native, &options_.ticket_key->bytes()) : 0;
  if (rv == 0)
    rv = ngtcp2_crypto_gnutls_configure_server_session(native);
  if (rv != 0) {
    return tls_error(ErrorKind::kInternal, "cannot configure a TLS session", rv);
  }
  gnutls_handshake_set_hook_function(native, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE,
                                     &require_extensions);
  if (options_.client_auth != ClientAuth::kNone) {
    request_certificate(native);
  }
  conn_ref.key_log = options_.key_log;
  conn_ref.server = this;
  return bind(*std::move(session), conn_ref);
}

void TlsServerContext::request_certificate(gnutls_session_t session) const {
  gnutls_certificate_server_set_request(
      session, options_.client_auth == ClientAuth::kRequired ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
  gnutls_certificate_send_x509_rdn_sequence(session, options_.authorities->are_names_sent() ? 0 : 1);
  gnutls_session_set_verify_function(session, &judge_certificate);
  gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE, &examine_message);
}

base::Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(const TlsClientOptions& options) {
  std::shared_ptr<TlsClientContext> context(new TlsClientContext);
  if (base::Status status = context->load(options); !status) {
    return std::move(status).error();
  }
  return context;
}

base::Status TlsClientContext::load(const TlsClientOptions& options) {
  alpn_ = options.alpn;
  pair_ = options.pair;
  verify_peer_ = options.verify_peer;
  auto priority = options.ciphers.empty() ? make_priority(kCiphers) : make_priority(options.ciphers);
  if (!priority) {
    return std::move(priority).error();
  }
  priority_ = *std::move(priority);
  auto credentials = make_credentials();
  if (!credentials) {
    return std::move(credentials).error();
  }
  credentials_ = *std::move(credentials);
  if (pair_ != nullptr) {
    gnutls_certificate_set_retrieve_function3(credentials_.get(), &retrieve);
  }
  return verify_peer_ ? trust(credentials_.get(), options.ca_pem) : base::Status{};
}

int TlsClientContext::retrieve(gnutls_session_t session, const gnutls_cert_retr_st*, gnutls_pcert_st** chain,
                               unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length,
                               gnutls_privkey_t* key, unsigned* flags) {
  *ocsp = nullptr;
  *ocsp_length = 0;
  *flags = 0;  // the pair keeps what it lends
  return lend_pair(reference_of(session).client->pair_.get(), chain, chain_length, key);
}

base::Result<TlsSession> TlsClientContext::create_session(TlsConnRef& conn_ref,
                                                          const std::string& server_name) const {
  auto session = make_session({.flags = GNUTLS_CLIENT,
                               .priority = priority_.get(),
                               .credentials = credentials_.get(),
                               .alpn = alpn_,
                               .alpn_flags = GNUTLS_ALPN_MANDATORY,
                               .context = shared_from_this()});
  if (!session) {
    return session;
  }
  gnutls_session_t native = session->native();
  int rv = 0;
  if (!is_address(server_name)) {
    rv = gnutls_server_name_set(native, GNUTLS_NAME_DNS, server_name.data(), server_name.size());
  }
  if (rv == 0)
    rv = ngtcp2_crypto_gnutls_configure_client_session(native);
  if (rv != 0) {
    return tls_error(ErrorKind::kInternal, "cannot configure a TLS session", rv);
  }
  if (verify_peer_) {
    gnutls_session_set_verify_cert(native, server_name.c_str(), 0);
  }
  conn_ref.server_name = server_name;
  conn_ref.client = this;
  if (conn_ref.tickets != nullptr) {
    resume(native, conn_ref);
  }
  return bind(*std::move(session), conn_ref);
}

}  // namespace knul::quic
