#include "quic/tls_context.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

// A ClientHello of plain TLS 1.3 over no transport: no QUIC library puts its extension into it.
std::string plain_client_hello(const char* alpn) {
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

// What the server's handshake says to it.
int answer_to(const std::string& hello) {
  const auto context = EndpointPair::server_tls({"knul"});
  TlsConnRef reference{};
  auto session = context->create_session(reference);
  EXPECT_TRUE(session.has_value());
  EXPECT_EQ(
      gnutls_handshake_write(session->native(), GNUTLS_ENCRYPTION_LEVEL_INITIAL, hello.data(), hello.size()),
      0);
  return gnutls_handshake(session->native());
}

TEST(TlsServerContext, RefusesAClientHelloWithoutTransportParameters) {
  const int answer = answer_to(plain_client_hello("knul"));
  EXPECT_EQ(answer, GNUTLS_E_MISSING_EXTENSION);
  EXPECT_EQ(gnutls_error_to_alert(answer, nullptr), GNUTLS_A_MISSING_EXTENSION) << "CRYPTO_ERROR 0x16d";
}

TEST(TlsServerContext, SaysWhichFilesItExpectedWhenTheKeyIsAnothers) {
  const auto made = TlsServerContext::create(
      {.certificate_pem = bytes_of(test_pem().certificate), .private_key_pem = {}, .alpn = {"knul"}});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().kind, base::ErrorKind::kCredentials);
  EXPECT_NE(made.error().message.find("key_path"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace knul::quic
