// Which certificate a client gets by the name that it asks for.
#include "quic/crypto/tls_context.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "quic/crypto/tls_peer_test_support.hpp"
#include "support/certificate_maker.hpp"

namespace knul::quic {
namespace {

using test::CertificateKey;
using test::CertificateRequest;
using test::MadeCertificate;

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Serials count from 1 in the order of the requests.
std::shared_ptr<TlsServerContext> context_of(std::vector<CertificateRequest> requests) {
  TlsServerOptions options;
  options.alpn = {"knul"};
  unsigned serial = 0;
  for (CertificateRequest& request : requests) {
    request.serial = ++serial;
    const MadeCertificate made(request);
    options.pairs.push_back(
        *CertificatePair::load({.certificate = bytes(made.certificate()), .key = bytes(made.key())}));
  }
  return *TlsServerContext::create(std::move(options));
}

const std::string kTls13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

std::string serial_seen_by(gnutls_session_t client) {
  unsigned count = 0;
  const gnutls_datum_t* const peers = gnutls_certificate_get_peers(client, &count);
  gnutls_x509_crt_t leaf = nullptr;
  gnutls_x509_crt_init(&leaf);
  const Certificate owned(leaf);
  std::array<unsigned char, 20> serial{};
  std::size_t size = serial.size();
  if (count == 0 || gnutls_x509_crt_import(leaf, peers, GNUTLS_X509_FMT_DER) != 0 ||
      gnutls_x509_crt_get_serial(leaf, serial.data(), &size) != 0) {
    return "none";
  }
  return std::to_string(serial[size - 1]);
}

// The serial number that a client sees; "failed": the handshake failed.
std::string serial_for(const TlsServerContext& context, const std::string& name,
                       const std::string& schemes = {}) {
  TlsConnRef reference{};
  reference.server = &context;
  TlsPeer server(GNUTLS_SERVER | GNUTLS_NONBLOCK, kTls13, context.credentials());
  gnutls_session_set_ptr(server.native(), static_cast<ngtcp2_crypto_conn_ref*>(&reference));
  gnutls_certificate_credentials_t nothing = nullptr;
  gnutls_certificate_allocate_credentials(&nothing);
  const Credentials of_client(nothing);
  TlsPeer client(GNUTLS_CLIENT | GNUTLS_NONBLOCK, kTls13 + schemes, nothing);
  if (!name.empty()) {
    gnutls_server_name_set(client.native(), GNUTLS_NAME_DNS, name.data(), name.size());
  }
  return shake_hands(client, server) ? serial_seen_by(client.native()) : "failed";
}

TEST(TlsServerContext, GivesEachClientTheCertificateWithItsName) {
  const auto context = context_of({{.dns_names = {"default.example"}},
                                   {.dns_names = {"a.example", "b.example"}},
                                   {.dns_names = {"*.wild.example"}},
                                   {.dns_names = {"exact.wild.example"}},
                                   {.common_name = "common.example"}});
  EXPECT_EQ(serial_for(*context, "default.example"), "1");
  EXPECT_EQ(serial_for(*context, "a.example"), "2");
  EXPECT_EQ(serial_for(*context, "b.example"), "2");
  EXPECT_EQ(serial_for(*context, "www.wild.example"), "3");
  EXPECT_EQ(serial_for(*context, "exact.wild.example"), "4") << "an exact name is before a wildcard";
  EXPECT_EQ(serial_for(*context, "common.example"), "5");
}

TEST(TlsServerContext, GivesTheFirstCertificateToClientsWithAnotherNameOrNone) {
  const auto context = context_of({{.dns_names = {"default.example"}}, {.dns_names = {"*.wild.example"}}});
  EXPECT_EQ(serial_for(*context, ""), "1");
  EXPECT_EQ(serial_for(*context, "unknown.example"), "1");
  EXPECT_EQ(serial_for(*context, "wild.example"), "1");
  EXPECT_EQ(serial_for(*context, "two.labels.wild.example"), "1");
}

TEST(TlsServerContext, IgnoresCaseAndATrailingDotOfBothNames) {
  const auto context = context_of({{.dns_names = {"default.example"}},
                                   {.dns_names = {"Mixed.Example."}},
                                   {.dns_names = {"*.Wild.Example"}}});
  EXPECT_EQ(serial_for(*context, "mIXED.eXAMPLE"), "2");
  EXPECT_EQ(serial_for(*context, "mixed.example."), "2");
  EXPECT_EQ(serial_for(*context, "WWW.WILD.EXAMPLE."), "3");
}

TEST(TlsServerContext, ChoosesBetweenCertificatesOfOneNameByTheSchemesOfTheClient) {
  const auto context = context_of({{.dns_names = {"default.example"}, .key = CertificateKey::kEd25519},
                                   {.dns_names = {"a.example"}, .key = CertificateKey::kRsa2048},
                                   {.dns_names = {"a.example"}, .key = CertificateKey::kP256},
                                   {.dns_names = {"*.example"}, .key = CertificateKey::kP384}});
  EXPECT_EQ(serial_for(*context, "a.example"), "2") << "the first that the client accepts";
  EXPECT_EQ(serial_for(*context, "a.example", ":-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256"), "3");
  EXPECT_EQ(serial_for(*context, "a.example", ":-SIGN-ALL:+SIGN-ECDSA-SECP384R1-SHA384"), "4");
  EXPECT_EQ(serial_for(*context, "a.example", ":-SIGN-ALL:+SIGN-EDDSA-ED25519"), "failed")
      << "the default certificate has another name";
}

TEST(TlsServerContext, SignsWithEveryKindOfKey) {
  for (const auto key :
       {CertificateKey::kP256, CertificateKey::kP384, CertificateKey::kP521, CertificateKey::kRsa2048,
        CertificateKey::kRsaPss2048, CertificateKey::kEd25519, CertificateKey::kEd448}) {
    EXPECT_EQ(serial_for(*context_of({{.key = key}}), ""), "1") << static_cast<int>(key);
  }
}

}  // namespace
}  // namespace knul::quic
