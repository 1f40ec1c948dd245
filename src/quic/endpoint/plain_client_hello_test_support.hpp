// A client that speaks TLS 1.3 but not QUIC-TLS.
#pragma once

#include <gnutls/gnutls.h>

#include <string>

namespace knul::quic {

// A ClientHello of plain TLS 1.3, without QUIC's extension.
inline std::string plain_client_hello(const char* alpn) {
  gnutls_session_t client = nullptr;
  gnutls_certificate_credentials_t credentials = nullptr;
  std::string hello;
  gnutls_init(&client, GNUTLS_CLIENT);
  gnutls_certificate_allocate_credentials(&credentials);
  gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_priority_set_direct(client, "NORMAL:-VERS-ALL:+VERS-TLS1.3", nullptr);
  gnutls_datum_t name{reinterpret_cast<unsigned char*>(const_cast<char*>(alpn)),
                      static_cast<unsigned>(std::char_traits<char>::length(alpn))};
  if (name.size > 0)
    gnutls_alpn_set_protocols(client, &name, 1, 0);
  gnutls_session_set_ptr(client, &hello);
  gnutls_handshake_set_read_function(client, [](gnutls_session_t session, gnutls_record_encryption_level_t,
                                                gnutls_handshake_description_t, const void* data,
                                                std::size_t size) {
    static_cast<std::string*>(gnutls_session_get_ptr(session))->append(static_cast<const char*>(data), size);
    return 0;
  });
  gnutls_handshake(client);
  gnutls_deinit(client);
  gnutls_certificate_free_credentials(credentials);
  return hello;
}

}  // namespace knul::quic
