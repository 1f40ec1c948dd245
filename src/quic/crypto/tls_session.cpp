#include <array>

#include "quic/crypto/tls_context.hpp"

namespace knul::quic {
namespace {

std::string text_of(const gnutls_datum_t& bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

}  // namespace

std::string server_name_of(gnutls_session_t session) {
  std::array<char, 256> name{};
  std::size_t length = name.size();
  unsigned type = 0;
  if (gnutls_server_name_get(session, name.data(), &length, &type, 0) != GNUTLS_E_SUCCESS ||
      type != GNUTLS_NAME_DNS) {
    return {};
  }
  return {name.data(), std::char_traits<char>::length(name.data())};
}

std::string TlsSession::alpn() const {
  gnutls_datum_t name{};
  const bool is_negotiated = gnutls_alpn_get_selected_protocol(session_.get(), &name) == GNUTLS_E_SUCCESS;
  return is_negotiated ? text_of(name) : std::string{};
}

std::string TlsSession::server_name() const { return server_name_of(session_.get()); }

TlsAlgorithms TlsSession::algorithms() const {
  return {.cipher = static_cast<std::uint16_t>(gnutls_cipher_get(session_.get())),
          .group = static_cast<std::uint16_t>(gnutls_group_get(session_.get()))};
}

std::string_view TlsAlgorithms::cipher_name() const {
  const char* const name =
      cipher == 0 ? nullptr : gnutls_cipher_get_name(static_cast<gnutls_cipher_algorithm_t>(cipher));
  return name == nullptr ? "" : name;
}

std::string_view TlsAlgorithms::group_name() const {
  const char* const name = group == 0 ? nullptr : gnutls_group_get_name(static_cast<gnutls_group_t>(group));
  return name == nullptr ? "" : name;
}

bool TlsSession::is_resumed() const { return gnutls_session_is_resumed(session_.get()) != 0; }

void TlsSession::send_ticket() {
  // Failure is not an error: the client then makes a full handshake next time.
  gnutls_session_ticket_send(session_.get(), 1, 0);
}

std::string TlsSession::verification_failure() const {
  const unsigned status = gnutls_session_get_verify_cert_status(session_.get());
  gnutls_datum_t text{};
  if (status == 0 || status == static_cast<unsigned>(-1) ||
      gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != GNUTLS_E_SUCCESS) {
    return {};
  }
  std::string reason = text_of(text);
  gnutls_free(text.data);
  return reason;
}

}  // namespace knul::quic
