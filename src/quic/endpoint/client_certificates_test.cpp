// Client certificates of every kind against a server in every mode: alert, counter, and reported facts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "support/certificate_maker.hpp"

namespace knul::quic {
namespace {

using test::CertificateRequest;
using test::MadeCertificate;
using ::testing::HasSubstr;

constexpr std::uint64_t kCryptoError = 0x100;

std::shared_ptr<const ClientAuthorities> authorities_of(const std::string& pem) {
  return *ClientAuthorities::load(bytes_of(pem), "client_ca_pem");
}

// The authorities and the clients of all tests, made once.
struct Made {
  MadeCertificate root{{.common_name = "Root", .is_authority = true}};
  MadeCertificate other_root{{.common_name = "Other", .is_authority = true}};
  MadeCertificate middle{{.common_name = "Middle", .is_authority = true, .issuer = &root}};
  MadeCertificate old_middle{{.common_name = "Old middle",
                              .begins_in_seconds = -7'200,
                              .ends_in_seconds = -3'600,
                              .is_authority = true,
                              .issuer = &root}};
  MadeCertificate plain_middle{{.common_name = "No authority", .issuer = &root}};

  // The PEM texts that a client presents.
  using Pair = std::pair<std::string, std::string>;
  static Pair alone(const MadeCertificate& leaf) { return {leaf.certificate(), leaf.key()}; }
  Pair issued(CertificateRequest request, const MadeCertificate& issuer) const {
    request.issuer = &issuer;
    return alone(MadeCertificate(request));
  }
  // With `issuers` intermediates in the text.
  Pair long_chain(unsigned issuers) const {
    std::vector<std::unique_ptr<MadeCertificate>> chain;
    const MadeCertificate* last = &root;
    std::string text;
    for (unsigned i = 0; i < issuers; ++i) {
      chain.push_back(std::make_unique<MadeCertificate>(CertificateRequest{
          .common_name = "Issuer " + std::to_string(i), .is_authority = true, .issuer = last}));
      last = chain.back().get();
      text.insert(0, last->certificate());
    }
    const Pair leaf = issued({.common_name = "deep"}, *last);
    return {leaf.first + text, leaf.second};
  }
};

const Made& made() {
  static const Made all;
  return all;
}

std::shared_ptr<const TlsClientContext> client_with(const Made::Pair& pair,
                                                    CertificateUse use = CertificateUse::kClient) {
  auto loaded =
      CertificatePair::load({.certificate = bytes_of(pair.first), .key = bytes_of(pair.second), .use = use});
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
  return *TlsClientContext::create(
      {.alpn = {"knul"}, .ca_pem = {}, .verify_peer = false, .pair = *std::move(loaded)});
}

std::shared_ptr<const TlsServerContext> server_with(ClientAuth auth) {
  TlsServerOptions options;
  options.pairs = {load_pair(test_pem())};
  options.alpn = {"knul"};
  options.client_auth = auth;
  options.authorities = auth == ClientAuth::kNone ? nullptr : authorities_of(made().root.certificate());
  return *TlsServerContext::create(std::move(options));
}

class Handshake : public EndpointPair {
 public:
  Handshake(ClientAuth auth, std::shared_ptr<const TlsClientContext> client_tls)
      : EndpointPair([&](EndpointOptions& server_options, EndpointOptions& client_options) {
          server_options.server_tls = server_with(auth);
          client_options.client_tls = std::move(client_tls);
          client_options.resumes_sessions = true;
        }) {
    shake_hands();
  }
  [[nodiscard]] bool is_open() const { return !server_observer.connections.empty(); }
  // The alert that the client got; 0: none.
  [[nodiscard]] std::uint64_t alert() const {
    return client_observer.closed.empty() ? 0 : client_observer.closed.back().code - kCryptoError;
  }
};

struct Case {
  const char* name;
  std::shared_ptr<const TlsClientContext> client;
  std::uint64_t alert;  // 0: accepted
  stats::Counter stats::WorkerCounters::*counter;
};

std::vector<Case> cases() {
  using C = stats::WorkerCounters;
  const Made& of = made();
  const MadeCertificate self_signed({.common_name = "self"});
  const auto by_middle = of.issued({.common_name = "leaf"}, of.middle);
  const auto by_old = of.issued({.common_name = "leaf"}, of.old_middle);
  const auto by_plain = of.issued({.common_name = "leaf"}, of.other_root);
  return {
      {"good", client_with(of.issued({.common_name = "good"}, of.root)), 0, &C::client_certificates_accepted},
      {"for clients",
       client_with(of.issued({.common_name = "good", .purposes = {GNUTLS_KP_TLS_WWW_CLIENT}}, of.root)), 0,
       &C::client_certificates_accepted},
      {"RSA", client_with(of.issued({.key = test::CertificateKey::kRsa2048}, of.root)), 0,
       &C::client_certificates_accepted},
      {"Ed25519", client_with(of.issued({.key = test::CertificateKey::kEd25519}, of.root)), 0,
       &C::client_certificates_accepted},
      {"intermediate sent", client_with({by_middle.first + of.middle.certificate(), by_middle.second}), 0,
       &C::client_certificates_accepted},
      {"chain of eight", client_with(of.long_chain(7)), 0, &C::client_certificates_accepted},
      {"chain of nine", client_with(of.long_chain(8)), 42, &C::client_certificates_refused_too_large},
      {"long subject", client_with(of.issued({.common_name = std::string(1'100, 'n')}, of.root)), 42,
       &C::client_certificates_refused_too_large},
      {"intermediate missing", client_with(by_middle), 48, &C::client_certificates_refused_unknown_authority},
      {"other authority", client_with(by_plain), 48, &C::client_certificates_refused_unknown_authority},
      {"self-signed", client_with(Made::alone(self_signed)), 48,
       &C::client_certificates_refused_unknown_authority},
      {"expired", client_with(of.issued({.begins_in_seconds = -7'200, .ends_in_seconds = -3'600}, of.root)),
       45, &C::client_certificates_refused_expired},
      {"expired intermediate", client_with({by_old.first + of.old_middle.certificate(), by_old.second}), 45,
       &C::client_certificates_refused_expired},
      {"not yet valid", client_with(of.issued({.begins_in_seconds = 3'600}, of.root)), 45,
       &C::client_certificates_refused_not_yet_valid},
      {"for servers only",
       client_with(of.issued({.purposes = {GNUTLS_KP_TLS_WWW_SERVER}}, of.root), CertificateUse::kServer), 43,
       &C::client_certificates_refused_purpose},
      {"none", EndpointPair::client_tls({"knul"}), 116, &C::client_certificates_refused_missing},
  };
}

TEST(ClientCertificates, AreJudgedAlikeWhetherTheyAreOptionalOrRequired) {
  for (const Case& one : cases()) {
    for (const ClientAuth auth : {ClientAuth::kOptional, ClientAuth::kRequired}) {
      SCOPED_TRACE(std::string(one.name) + (auth == ClientAuth::kOptional ? ", optional" : ", required"));
      const bool is_allowed_without = one.alert == 116 && auth == ClientAuth::kOptional;
      const Handshake handshake(auth, one.client);
      EXPECT_EQ(handshake.is_open(), one.alert == 0 || is_allowed_without);
      EXPECT_EQ(handshake.alert(), is_allowed_without ? 0 : one.alert);
      EXPECT_EQ((handshake.server_counters.*one.counter).load(), is_allowed_without ? 0U : 1U);
      EXPECT_EQ(handshake.server_counters.handshakes_failed_tls_alert.load(), handshake.is_open() ? 0U : 1U);
    }
  }
}

TEST(ClientCertificates, AreRefusedInAHandshakePacketBecauseTheClientHasDiscardedItsInitialKeys) {
  constexpr std::uint8_t kHeaderForm = 0x80;
  constexpr std::uint8_t kType = 0x30;
  constexpr std::uint8_t kHandshake = 0x20;
  EndpointPair pair([](EndpointOptions& server_options, EndpointOptions&) {
    server_options.server_tls = server_with(ClientAuth::kRequired);
  });
  std::uint8_t last_of_server = 0;
  pair.drops = [&](std::span<const std::uint8_t> packet, bool is_from_client) {
    last_of_server = is_from_client ? last_of_server : packet.front();
    // Without the acknowledgement, the Certificate is in the first Handshake packet, so that the server still
    // has its own Initial keys.
    constexpr std::size_t kAcknowledgement = 100;
    return is_from_client && packet.size() < kAcknowledgement;
  };
  pair.shake_hands();
  EXPECT_EQ(last_of_server & (kHeaderForm | kType), kHeaderForm | kHandshake);
}

TEST(ClientCertificates, AreNotAskedForWithoutTheSetting) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Handshake handshake(ClientAuth::kNone, one.client);
    ASSERT_TRUE(handshake.is_open());
    EXPECT_FALSE(handshake.server_connection().peer_certificate().has_value());
    EXPECT_EQ(handshake.server_counters.client_certificates_accepted.load(), 0U);
  }
}

TEST(ClientCertificates, AreDescribedToTheProgram) {
  const CertificateRequest request{.common_name = "alice, \"A\"",
                                   .dns_names = {"alice.example"},
                                   .has_address = true,
                                   .uris = {"spiffe://example/alice"},
                                   .emails = {"alice@example.org"},
                                   .serial = 0x0a0b0c};
  Handshake handshake(ClientAuth::kRequired, client_with(made().issued(request, made().root)));
  ASSERT_TRUE(handshake.is_open());
  const auto peer = handshake.server_connection().peer_certificate();
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->subject, R"(CN=alice\, \"A\")");
  EXPECT_EQ(peer->issuer, "CN=Root");
  EXPECT_EQ(peer->serial, "0a0b0c");
  EXPECT_EQ(peer->dns_names, std::vector<std::string>{"alice.example"});
  EXPECT_EQ(peer->ip_addresses, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(peer->uris, std::vector<std::string>{"spiffe://example/alice"});
  EXPECT_EQ(peer->emails, std::vector<std::string>{"alice@example.org"});
  EXPECT_TRUE(peer->is_verified);
  EXPECT_FALSE(peer->has_omitted_names);
}

TEST(ClientCertificates, AreKnownAfterTheTlsSessionIsFreed) {
  Handshake handshake(ClientAuth::kRequired,
                      client_with(made().issued({.common_name = "late"}, made().root)));
  ASSERT_TRUE(handshake.is_open());
  handshake.advance(std::chrono::seconds(5));
  ASSERT_TRUE(handshake.server_connection().is_hibernating());
  EXPECT_EQ(handshake.server_connection().peer_certificate()->subject, "CN=late");
}

TEST(ClientCertificates, MakeEveryHandshakeAFullOne) {
  Handshake handshake(ClientAuth::kRequired,
                      client_with(made().issued({.common_name = "again"}, made().root)));
  for (int i = 0; i < 2; ++i) {
    handshake.client_connection().close(0, {});
    handshake.advance(std::chrono::milliseconds(100));
    handshake.shake_hands();
    ASSERT_TRUE(handshake.is_open());
    EXPECT_FALSE(handshake.server_connection().is_resumed());
    const auto peer = handshake.server_connection().peer_certificate();
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->subject, "CN=again");
  }
  EXPECT_EQ(handshake.server_counters.handshakes_resumed.load(), 0U);
  EXPECT_EQ(handshake.server_counters.client_certificates_accepted.load(), 3U);
}

TEST(ClientCertificates, OfAServerAreVisibleToAClientThatDidNotVerifyThem) {
  EndpointPair pair;
  pair.shake_hands();
  const auto peer = pair.client_connection().peer_certificate();
  ASSERT_TRUE(peer.has_value());
  EXPECT_FALSE(peer->is_verified);
  EXPECT_THAT(peer->subject, HasSubstr("CN="));
}

// Certificates of many sizes, so that for some of them the first packets end between the messages Certificate
// and Finished.
TEST(ClientCertificates, OfAServerAreHiddenBeforeTheHandshakeCompletes) {
  CertificateRequest request{.dns_names = {"localhost"}};
  for (int size = 0; size < 20; ++size) {
    request.dns_names.push_back(std::string(50, 'a') + std::to_string(size) + ".test");
    const MadeCertificate server(request);
    EndpointPair pair([&](EndpointOptions& server_options, EndpointOptions&) {
      server_options.server_tls = *TlsServerContext::create(
          {.pairs = {load_pair({server.certificate(), server.key()})}, .alpn = {"knul"}});
    });
    Connection& client = pair.connect();
    pair.drops = [&](std::span<const std::uint8_t>, bool) {
      EXPECT_EQ(client.peer_certificate().has_value(), client.is_handshake_completed());
      return false;
    };
    pair.advance(std::chrono::milliseconds(100));
    ASSERT_TRUE(client.is_handshake_completed());
    EXPECT_TRUE(client.peer_certificate().has_value());
  }
}

}  // namespace
}  // namespace knul::quic
