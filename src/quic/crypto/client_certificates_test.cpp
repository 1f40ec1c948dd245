// The bounds of a client's Certificate message, and handshakes with clients that lie.
#include "quic/crypto/client_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "quic/crypto/tls_context.hpp"
#include "quic/crypto/tls_peer_test_support.hpp"
#include "support/certificate_maker.hpp"

namespace knul::quic {
namespace {

using test::CertificateKey;
using test::CertificateRequest;
using test::MadeCertificate;
using ::testing::HasSubstr;
using Verdict = CertificateVerdict;

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string vector(const std::string& content, unsigned length_bytes) {
  std::string text;
  for (unsigned i = length_bytes; i > 0; --i) {
    text += static_cast<char>(content.size() >> 8 * (i - 1) & 0xff);
  }
  return text + content;
}

// The body of a Certificate message (RFC 8446 §4.4.2).
std::string message(const std::vector<std::string>& ders) {
  std::string list;
  for (const std::string& der : ders) {
    list += vector(der, 3) + vector("", 2);
  }
  return vector("", 1) + vector(list, 3);
}

Verdict examine(const std::string& body, ClientAuth auth = ClientAuth::kRequired) {
  Verdict verdict = Verdict::kOther;
  const int code = examine_certificate_message(bytes(body), auth, verdict);
  EXPECT_EQ(code == 0, verdict == Verdict::kNone);
  return verdict;
}

const MadeCertificate& root() {
  static const MadeCertificate made({.common_name = "Root", .is_authority = true});
  return made;
}

TEST(CertificateMessage, MayBeEmptyOnlyIfCertificatesAreOptional) {
  EXPECT_EQ(examine(message({}), ClientAuth::kOptional), Verdict::kNone);
  EXPECT_EQ(examine(message({}), ClientAuth::kRequired), Verdict::kMissing);
}

TEST(CertificateMessage, HasAtMostEightCertificates) {
  EXPECT_EQ(examine(message(std::vector(8, root().der()))), Verdict::kNone);
  EXPECT_EQ(examine(message(std::vector(9, root().der()))), Verdict::kTooLarge);
}

TEST(CertificateMessage, HasKeysWhoseSignaturesAreCheapToCheck) {
  const auto with_numbers = [](unsigned modulus_bytes, unsigned exponent_bytes) {
    return MadeCertificate(
               {.issuer = &root(), .modulus_bytes = modulus_bytes, .exponent_bytes = exponent_bytes})
        .der();
  };
  EXPECT_EQ(examine(message({with_numbers(256, 3)})), Verdict::kNone);
  EXPECT_EQ(examine(message({with_numbers(1'024, 8)})), Verdict::kNone);
  EXPECT_EQ(examine(message({with_numbers(1'025, 3)})), Verdict::kKey);
  EXPECT_EQ(examine(message({with_numbers(256, 9)})), Verdict::kKey);
  EXPECT_EQ(examine(message({root().der(), with_numbers(256, 256)})), Verdict::kKey) << "of an issuer";
}

TEST(CertificateMessage, HasALeafThatTls13CanSignWith) {
  for (const auto key : {CertificateKey::kRsa1024, CertificateKey::kDsa, CertificateKey::kP224}) {
    EXPECT_EQ(examine(message({MadeCertificate({.key = key}).der()})), Verdict::kKey)
        << static_cast<int>(key);
  }
}

TEST(CertificateMessage, IsMalformedIfALengthOrACertificateIsWrong) {
  const std::string whole = message({root().der()});
  for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16) {
    EXPECT_EQ(examine(whole.substr(0, length)), Verdict::kMalformed) << length;
  }
  EXPECT_EQ(examine(whole + "x"), Verdict::kMalformed);
  EXPECT_EQ(examine(message({"not DER"})), Verdict::kMalformed);
  EXPECT_EQ(examine(message({""})), Verdict::kMalformed);
}

TEST(CertificateMessage, WithAnyBytesIsJudgedWithoutReadingBeyondIt) {
  const char* const given = std::getenv("KNUL_TEST_SEED");
  const unsigned seed = given == nullptr ? std::random_device()() : static_cast<unsigned>(std::atoi(given));
  std::printf("KNUL_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const std::string whole = message({root().der(), root().der()});
  for (int round = 0; round < 2'000; ++round) {
    std::string body = random() % 2 == 0 ? whole : whole.substr(0, random() % (whole.size() + 1));
    for (unsigned changes = random() % 8; changes > 0 && !body.empty(); --changes) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    const std::vector<std::uint8_t> exact(body.begin(), body.end());  // so that a sanitizer sees its end
    Verdict verdict = Verdict::kNone;
    (void)examine_certificate_message(exact, ClientAuth::kRequired, verdict);
    EXPECT_LE(verdict, Verdict::kOther);
  }
}

// A client over TLS without QUIC, which presents any bytes as its certificate and signs with any key.
class LyingClient {
 public:
  LyingClient(std::string der, const MadeCertificate& honest) : der_(std::move(der)) {
    gnutls_certificate_credentials_t made = nullptr;
    gnutls_certificate_allocate_credentials(&made);
    credentials_.reset(made);
    pair_ = *CertificatePair::load({.certificate = bytes(honest.certificate()), .key = bytes(honest.key())});
    presented_ = pair_->chain().front();
    presented_.cert = {reinterpret_cast<unsigned char*>(der_.data()), static_cast<unsigned>(der_.size())};
    gnutls_certificate_set_retrieve_function3(made, &retrieve);
  }

  // The server's verdict; kNone: the handshake is complete.
  Verdict connect_to(const TlsServerContext& context) {
    const std::string tls13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
    TlsConnRef reference{};
    reference.server = &context;
    TlsPeer server(GNUTLS_SERVER | GNUTLS_NONBLOCK, tls13, context.credentials());
    gnutls_session_set_ptr(server.native(), static_cast<ngtcp2_crypto_conn_ref*>(&reference));
    context.request_certificate(server.native());
    TlsPeer client(GNUTLS_CLIENT | GNUTLS_NONBLOCK, tls13, credentials_.get());
    gnutls_session_set_ptr(client.native(), this);
    offer_quic(client.native());
    const bool is_complete = shake_hands(client, server);
    EXPECT_EQ(is_complete, reference.certificate_verdict == Verdict::kNone);
    EXPECT_EQ(is_complete, static_cast<bool>(reference.client_certificate));
    return reference.certificate_verdict;
  }

 private:
  // The extensions that the server requires.
  static void offer_quic(gnutls_session_t session) {
    constexpr int kTransportParameters = 0x39;
    const auto send = [](gnutls_session_t, gnutls_buffer_t buffer) {
      return gnutls_buffer_append_data(buffer, "\0", 1) < 0 ? -1 : 1;
    };
    const auto receive = [](gnutls_session_t, const unsigned char*, std::size_t) { return 0; };
    gnutls_session_ext_register(session, "parameters", kTransportParameters, GNUTLS_EXT_TLS, receive, send,
                                nullptr, nullptr, nullptr,
                                GNUTLS_EXT_FLAG_TLS | GNUTLS_EXT_FLAG_CLIENT_HELLO);
    unsigned char name[] = "knul";
    const gnutls_datum_t alpn{name, 4};
    gnutls_alpn_set_protocols(session, &alpn, 1, 0);
  }
  static int retrieve(gnutls_session_t session, const gnutls_cert_retr_st*, gnutls_pcert_st** chain,
                      unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length,
                      gnutls_privkey_t* key, unsigned* flags) {
    auto& self = *static_cast<LyingClient*>(gnutls_session_get_ptr(session));
    *chain = &self.presented_;
    *chain_length = 1;
    *ocsp = nullptr;
    *ocsp_length = 0;
    *key = self.pair_->key();
    *flags = 0;
    return 0;
  }

  std::string der_;
  Credentials credentials_;
  std::shared_ptr<const CertificatePair> pair_;
  gnutls_pcert_st presented_{};
};

std::shared_ptr<TlsServerContext> server_context() {
  const MadeCertificate made({.common_name = "server"});
  TlsServerOptions options;
  options.alpn = {"knul"};
  options.pairs = {
      *CertificatePair::load({.certificate = bytes(made.certificate()), .key = bytes(made.key())})};
  options.client_auth = ClientAuth::kRequired;
  options.authorities = *ClientAuthorities::load(bytes(root().certificate()), "client_ca_pem");
  return *TlsServerContext::create(std::move(options));
}

TEST(ClientCertificate, IsAcceptedFromTheClientThatHasItsKey) {
  const MadeCertificate alice({.common_name = "alice", .issuer = &root()});
  EXPECT_EQ(LyingClient(alice.der(), alice).connect_to(*server_context()), Verdict::kNone);
}

TEST(ClientCertificate, IsRefusedFromAClientWithoutItsKey) {
  const MadeCertificate alice({.common_name = "alice", .issuer = &root()});
  const MadeCertificate mallory({.common_name = "mallory", .issuer = &root()});
  EXPECT_EQ(LyingClient(alice.der(), mallory).connect_to(*server_context()), Verdict::kSignature);
}

TEST(ClientCertificate, IsRefusedIfItIsGarbage) {
  const MadeCertificate alice({.common_name = "alice", .issuer = &root()});
  EXPECT_EQ(LyingClient(std::string(2'000, 'x'), alice).connect_to(*server_context()), Verdict::kMalformed);
}

TEST(ClientCertificate, IsRefusedIfOneBitOfItIsChanged) {
  const MadeCertificate alice({.common_name = "alice", .issuer = &root()});
  std::string der = alice.der();
  der[der.size() - 5] = static_cast<char>(der[der.size() - 5] ^ 1);
  EXPECT_EQ(LyingClient(der, alice).connect_to(*server_context()), Verdict::kSignature);
}

TEST(ClientAuthorities, AreRefusedWithoutACertificate) {
  const auto refused = [](const std::string& pem) {
    const auto loaded = ClientAuthorities::load(bytes(pem), "client_ca_path \"ca.pem\"");
    return loaded ? std::string("accepted") : loaded.error().message;
  };
  EXPECT_THAT(refused("text"),
              HasSubstr("client_ca_path \"ca.pem\": expected PEM certificates of authorities"));
  EXPECT_THAT(refused(root().key()), HasSubstr("holds a private key"));
  EXPECT_THAT(refused(root().key()), Not(HasSubstr(root().key().substr(40, 30))));
  EXPECT_EQ(refused(root().certificate()), "accepted");
}

TEST(ClientAuthorities, ReportTheOneThatExpiresFirst) {
  const MadeCertificate old(
      {.common_name = "Old", .ends_in_seconds = -60, .is_authority = true, .serial = 7});
  const auto loaded =
      ClientAuthorities::load(bytes(root().certificate() + old.certificate()), "client_ca_pem");
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ((*loaded)->count(), 2U);
  EXPECT_EQ((*loaded)->facts().serial, "07");
}

TEST(ClientAuthorities, SendTheirNamesOnlyIfTheyAreFew) {
  std::string many;
  for (int i = 0; i < 40; ++i) {
    many += MadeCertificate({.common_name = "Authority number " + std::to_string(i), .is_authority = true})
                .certificate();
  }
  EXPECT_TRUE((*ClientAuthorities::load(bytes(root().certificate()), "a"))->are_names_sent());
  EXPECT_FALSE((*ClientAuthorities::load(bytes(many), "a"))->are_names_sent());
}

TEST(PackedCertificate, KeepsEverythingInBoundedMemory) {
  CertificateRequest request{.common_name = std::string(900, 's'), .has_address = true, .serial = 5};
  for (int i = 0; i < 200; ++i) {
    request.dns_names.push_back("name-" + std::to_string(i) + ".with.some.labels.example");
  }
  const MadeCertificate made(request);
  gnutls_x509_crt_t raw = nullptr;
  gnutls_x509_crt_init(&raw);
  const Certificate certificate(raw);
  std::string der = made.der();
  const gnutls_datum_t data{reinterpret_cast<unsigned char*>(der.data()), static_cast<unsigned>(der.size())};
  ASSERT_EQ(gnutls_x509_crt_import(raw, &data, GNUTLS_X509_FMT_DER), 0);
  const auto facts = describe_certificate(raw);
  ASSERT_TRUE(facts.has_value());
  EXPECT_TRUE(facts->has_omitted_names);
  EXPECT_LE(facts->dns_names.size(), kMostNames);
  const PackedCertificate packed(*facts);
  EXPECT_LE(packed.held_bytes(), 2 * kMostSubjectBytes + kMostNameBytes + 512);
  const PeerCertificate unpacked = packed.unpack();
  EXPECT_EQ(unpacked.subject, facts->subject);
  EXPECT_EQ(unpacked.issuer, facts->issuer);
  EXPECT_EQ(unpacked.sha256, facts->sha256);
  EXPECT_EQ(unpacked.dns_names, facts->dns_names);
  EXPECT_EQ(unpacked.ip_addresses, facts->ip_addresses);
  EXPECT_EQ(unpacked.not_before, facts->not_before);
  EXPECT_EQ(unpacked.not_after, facts->not_after);
  EXPECT_EQ(unpacked.serial, "05");
  EXPECT_TRUE(unpacked.has_omitted_names);
}

TEST(PackedCertificate, TakesEightBytesWithoutACertificate) {
  EXPECT_EQ(sizeof(PackedCertificate), 8U);
  EXPECT_EQ(PackedCertificate().held_bytes(), 0U);
}

}  // namespace
}  // namespace knul::quic
