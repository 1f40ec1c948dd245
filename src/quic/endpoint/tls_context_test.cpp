#include "quic/crypto/tls_context.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/endpoint/plain_client_hello_test_support.hpp"

namespace knul::quic {
namespace {

// The server's handshake result for `hello`.
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

}  // namespace
}  // namespace knul::quic
