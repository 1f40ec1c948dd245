#include "tls_client.hpp"

#include <stdexcept>
#include <utility>

namespace knul::attack {
namespace {

constexpr unsigned kTransportParameters = 0x39;  // RFC 9001 §8.2

void check(int result, const char* what) {
  if (result < 0) {
    throw std::runtime_error(std::string(what) + ": " + gnutls_strerror(result));
  }
}

Level to_level(gnutls_record_encryption_level_t level) {
  switch (level) {
    case GNUTLS_ENCRYPTION_LEVEL_INITIAL:
      return Level::kInitial;
    case GNUTLS_ENCRYPTION_LEVEL_EARLY:
      return Level::kZeroRtt;
    case GNUTLS_ENCRYPTION_LEVEL_HANDSHAKE:
      return Level::kHandshake;
    default:
      return Level::kOneRtt;
  }
}

gnutls_record_encryption_level_t from_level(Level level) {
  switch (level) {
    case Level::kInitial:
      return GNUTLS_ENCRYPTION_LEVEL_INITIAL;
    case Level::kZeroRtt:
      return GNUTLS_ENCRYPTION_LEVEL_EARLY;
    case Level::kHandshake:
      return GNUTLS_ENCRYPTION_LEVEL_HANDSHAKE;
    default:
      return GNUTLS_ENCRYPTION_LEVEL_APPLICATION;
  }
}

// Shared by all clients and never freed. No certificate is checked: the attacker trusts everybody.
gnutls_certificate_credentials_t credentials() {
  static const gnutls_certificate_credentials_t made = [] {
    gnutls_certificate_credentials_t fresh = nullptr;
    check(gnutls_certificate_allocate_credentials(&fresh), "credentials");
    return fresh;
  }();
  return made;
}

gnutls_priority_t priority() {
  static const gnutls_priority_t made = [] {
    gnutls_priority_t fresh = nullptr;
    check(gnutls_priority_init(
              &fresh,
              "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519:"
              "%DISABLE_TLS13_COMPAT_MODE",
              nullptr),
          "priority");
    return fresh;
  }();
  return made;
}

}  // namespace

struct TlsClient::Hooks {
  static TlsClient& of(gnutls_session_t session) {
    return *static_cast<TlsClient*>(gnutls_session_get_ptr(session));
  }

  static int keep_secret(gnutls_session_t session, gnutls_record_encryption_level_t level, const void* read,
                         const void* write, std::size_t length) {
    const auto copy = [length](const void* secret) {
      const auto* const bytes = static_cast<const std::uint8_t*>(secret);
      return bytes == nullptr ? Bytes{} : Bytes(bytes, bytes + length);
    };
    Secrets& kept = of(session).secrets[to_level(level)];
    kept.read = read != nullptr ? copy(read) : std::move(kept.read);
    kept.write = write != nullptr ? copy(write) : std::move(kept.write);
    return 0;
  }
  static int keep_message(gnutls_session_t session, gnutls_record_encryption_level_t level,
                          gnutls_handshake_description_t type, const void* data, std::size_t length) {
    if (type != GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC) {
      const auto* const bytes = static_cast<const std::uint8_t*>(data);
      append(of(session).messages[to_level(level)], {bytes, length});
    }
    return 0;
  }
  static int ignore_alert(gnutls_session_t, gnutls_record_encryption_level_t, gnutls_alert_level_t,
                          gnutls_alert_description_t) {
    return 0;
  }
  static int send_parameters(gnutls_session_t session, gnutls_buffer_t out) {
    const Bytes& parameters = of(session).transport_parameters_;
    return gnutls_buffer_append_data(out, parameters.data(), parameters.size());
  }
  static int ignore_parameters(gnutls_session_t, const unsigned char*, std::size_t) { return 0; }
};

TlsClient::TlsClient(const std::string& alpn, Bytes transport_parameters)
    : transport_parameters_(std::move(transport_parameters)) {
  check(gnutls_init(&session_, GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA), "gnutls_init");
  gnutls_session_set_ptr(session_, this);
  check(gnutls_priority_set(session_, priority()), "priority");
  check(gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials()), "credentials");
  check(gnutls_server_name_set(session_, GNUTLS_NAME_DNS, "localhost", 9), "server name");
  gnutls_handshake_set_secret_function(session_, &Hooks::keep_secret);
  gnutls_handshake_set_read_function(session_, &Hooks::keep_message);
  gnutls_alert_set_read_function(session_, &Hooks::ignore_alert);
  if (!transport_parameters_.empty()) {
    check(gnutls_session_ext_register(
              session_, "QUIC transport parameters", kTransportParameters, GNUTLS_EXT_TLS,
              &Hooks::ignore_parameters, &Hooks::send_parameters, nullptr, nullptr, nullptr,
              GNUTLS_EXT_FLAG_TLS | GNUTLS_EXT_FLAG_CLIENT_HELLO | GNUTLS_EXT_FLAG_EE),
          "transport parameters");
  }
  if (!alpn.empty()) {
    const gnutls_datum_t name{reinterpret_cast<unsigned char*>(const_cast<char*>(alpn.data())),
                              static_cast<unsigned>(alpn.size())};
    check(gnutls_alpn_set_protocols(session_, &name, 1, 0), "ALPN");
  }
}

TlsClient::~TlsClient() { gnutls_deinit(session_); }

bool TlsClient::advance() {
  if (is_complete_) {
    return true;
  }
  const int result = gnutls_handshake(session_);
  is_complete_ = result == GNUTLS_E_SUCCESS;
  return is_complete_ || gnutls_error_is_fatal(result) == 0;
}

void TlsClient::receive(Level level, View message) {
  if (!is_complete_) {
    gnutls_handshake_write(session_, from_level(level), message.data(), message.size());
  }
}

}  // namespace knul::attack
