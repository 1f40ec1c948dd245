// Client certificates over real sockets: what the Application learns, who is refused, and new authorities.
#include <krepis/krepis.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "loopback/blocking_client.hpp"
#include "loopback/test_server.hpp"
#include "support/certificate_maker.hpp"

namespace knul::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::uint64_t kCryptoError = 0x100;

void replace(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new", std::ios::binary | std::ios::trunc) << text;
  std::filesystem::rename(path + ".new", path);
}

// Answers each stream with the subject and the names of its client's certificate.
class Introducer final : public krepis::Application {
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    if (fin == krepis::Fin::kNo) {
      return;
    }
    std::string text = "nobody";
    if (const auto peer = stream.connection().peer_certificate()) {
      text = peer->subject + (peer->verified ? " verified" : " unverified");
      for (const std::string& name : peer->dns_names) {
        text += " " + name;
      }
    }
    stream.write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, krepis::Fin::kYes);
  }
};

class ClientCertificates : public testing::Test {
 protected:
  ClientCertificates() { replace(ca_path(), root_.certificate()); }

  [[nodiscard]] std::string ca_path() const { return folder_.file("ca.pem"); }
  [[nodiscard]] krepis::ServerOptions options(const std::string& mode = "required") const {
    krepis::ServerOptions options = server_options();
    options.client_auth = mode;
    options.client_ca_path = ca_path();
    return options;
  }
  static std::unique_ptr<krepis::QuicServer> start(const krepis::ServerOptions& options) {
    return start_server(options, [](unsigned) { return std::make_unique<Introducer>(); });
  }
  // Options of a client with a certificate by `issuer`; null: self-signed.
  krepis::ClientOptions client(const std::string& name, const MadeCertificate* issuer) {
    const MadeCertificate made({.common_name = name, .dns_names = {name + ".example"}, .issuer = issuer});
    krepis::ClientOptions options = BlockingClient::insecure();
    options.cert_path = folder_.file(name + ".cert");
    options.key_path = folder_.file(name + ".key");
    replace(options.cert_path, made.certificate());
    replace(options.key_path, made.key());
    return options;
  }
  // Returns the answer of the server to a new client.
  static std::string introduce(const krepis::QuicServer& server, const krepis::ClientOptions& options) {
    BlockingClient client(options);
    const auto stream = client.connect(server.port()) ? client.send("who") : std::nullopt;
    return stream ? client.wait_answer(*stream).value_or("no answer") : "no connection";
  }
  // The TLS alert that closes a new connection; 0 if none. The client may complete its handshake first.
  static std::uint64_t refusal(const krepis::QuicServer& server, const krepis::ClientOptions& options) {
    BlockingClient client(options);
    client.connect(server.port());
    const auto reason = client.wait_closed();
    return reason ? reason->code - kCryptoError : 0;
  }
  [[nodiscard]] static std::uint64_t statistic(const krepis::QuicServer& server, const std::string& name) {
    return value_in(statistics_of(server), name);
  }
  static bool wait_for_statistic(const krepis::QuicServer& server, const std::string& name,
                                 std::uint64_t value) {
    return wait_until([&] { return statistic(server, name) == value; });
  }

  TemporaryFolder folder_;
  MadeCertificate root_{{.common_name = "Root", .is_authority = true}};
  MadeCertificate other_root_{{.common_name = "Other", .is_authority = true}};
};

TEST_F(ClientCertificates, AreKnownToTheApplication) {
  const auto server = start(options());
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "CN=alice verified alice.example");
  EXPECT_EQ(statistic(*server, "client_certificates_accepted"), 1U);
  EXPECT_EQ(statistic(*server, "client_authorities"), 1U);
}

TEST_F(ClientCertificates, AreRefusedWithTheAlertOfTheReason) {
  const auto server = start(options());
  EXPECT_EQ(refusal(*server, BlockingClient::insecure()), 116U);
  EXPECT_EQ(refusal(*server, client("mallory", &other_root_)), 48U);
  EXPECT_EQ(refusal(*server, client("self", nullptr)), 48U);
  EXPECT_TRUE(wait_for_statistic(*server, "client_certificates_refused_unknown_authority", 2));
  EXPECT_EQ(statistic(*server, "client_certificates_refused_missing"), 1U);
  EXPECT_EQ(statistic(*server, "handshakes_failed_tls_alert"), 3U);
}

TEST_F(ClientCertificates, MayBeMissingOnlyIfTheyAreOptional) {
  const auto server = start(options("optional"));
  EXPECT_EQ(introduce(*server, BlockingClient::insecure()), "nobody");
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "CN=alice verified alice.example");
  EXPECT_EQ(refusal(*server, client("mallory", &other_root_)), 48U);
}

TEST_F(ClientCertificates, AreIgnoredByAServerThatDoesNotAskForThem) {
  const auto server = start(server_options());
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "nobody");
}

TEST_F(ClientCertificates, MayHaveAuthoritiesFromAText) {
  krepis::ServerOptions from_text = options();
  from_text.client_ca_path.clear();
  from_text.client_ca_pem = root_.certificate() + other_root_.certificate();
  const auto server = start(from_text);
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "CN=alice verified alice.example");
  EXPECT_EQ(introduce(*server, client("bob", &other_root_)), "CN=bob verified bob.example");
  EXPECT_TRUE(server->reload().has_value()) << "the certificate of the server is a file";
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "CN=alice verified alice.example");
}

TEST_F(ClientCertificates, AreInTheListOfConnections) {
  const auto server = start(options());
  BlockingClient client(this->client("alice", &root_));
  ASSERT_TRUE(client.connect(server->port()));
  ASSERT_TRUE(wait_for_statistic(*server, "handshakes_completed", 1));
  std::string rows;
  ASSERT_TRUE(server->connections_json(rows).has_value());
  EXPECT_THAT(rows, HasSubstr("\"certificate_subject\":\"CN=alice\",\"certificate_sha256\":\""));
}

TEST_F(ClientCertificates, AreNotReplacedByASession) {
  const auto server = start(options());
  BlockingClient client(this->client("alice", &root_));
  for (std::uint64_t context = 1; context <= 3; ++context) {
    ASSERT_TRUE(client.connect(server->port(), context));
    EXPECT_EQ(client.wait_answer(*client.send("who", context), context), "CN=alice verified alice.example");
    client.on_connection(context, [](krepis::Connection& connection) { connection.close(0, {}); });
  }
  EXPECT_EQ(statistic(*server, "handshakes_resumed"), 0U);
}

TEST_F(ClientCertificates, HaveNewAuthoritiesAfterAReloadAndOpenConnectionsGoOn) {
  const auto server = start(options());
  BlockingClient early(client("early", &root_));
  ASSERT_TRUE(early.connect(server->port()));
  ASSERT_EQ(early.wait_answer(*early.send("who")), "CN=early verified early.example");
  replace(ca_path(), other_root_.certificate());
  ASSERT_TRUE(server->reload().has_value());
  EXPECT_EQ(refusal(*server, client("late", &root_)), 48U);
  EXPECT_EQ(introduce(*server, client("bob", &other_root_)), "CN=bob verified bob.example");
  EXPECT_EQ(early.wait_answer(*early.send("who")), "CN=early verified early.example");
}

TEST_F(ClientCertificates, KeepTheirAuthoritiesIfAReloadFails) {
  const auto server = start(options());
  replace(ca_path(), "not PEM");
  const auto reloaded = server->reload();
  ASSERT_FALSE(reloaded.has_value());
  EXPECT_THAT(reloaded.error().message, HasSubstr("client_ca_path \"" + ca_path() + "\": expected PEM"));
  EXPECT_EQ(introduce(*server, client("alice", &root_)), "CN=alice verified alice.example");
}

TEST_F(ClientCertificates, HaveNewAuthoritiesWhenAWatchedFileIsReplaced) {
  krepis::ServerOptions watched = options();
  watched.watch_certificates = true;
  const auto server = start(watched);
  replace(ca_path(), other_root_.certificate());
  ASSERT_TRUE(wait_for_statistic(*server, "certificate_generation", 2));
  EXPECT_EQ(introduce(*server, client("bob", &other_root_)), "CN=bob verified bob.example");
}

TEST_F(ClientCertificates, NeedAuthoritiesThatCanBeRead) {
  const auto error_of = [](const krepis::ServerOptions& options) {
    const auto server = krepis::QuicServer::start(options);
    return server ? std::string("started") : server.error().message;
  };
  krepis::ServerOptions options = this->options();
  options.client_ca_path = folder_.file("missing.pem");
  EXPECT_THAT(error_of(options),
              HasSubstr("client_ca_path \"" + options.client_ca_path + "\": No such file"));
  options.client_ca_path = folder_.file("key.pem");
  replace(options.client_ca_path, root_.key());
  EXPECT_THAT(error_of(options), HasSubstr("holds a private key, expected PEM certificates of authorities"));
  replace(options.client_ca_path, "text");
  EXPECT_THAT(error_of(options), HasSubstr("expected PEM certificates of authorities"));
}

TEST_F(ClientCertificates, MayHaveAnExpiredAuthorityWhichRefusesAllClients) {
  const MadeCertificate old(
      {.common_name = "Old", .begins_in_seconds = -7'200, .ends_in_seconds = -3'600, .is_authority = true});
  replace(ca_path(), old.certificate());
  const auto server = start(options());
  EXPECT_LT(statistic(*server, "client_authorities_not_after"),
            static_cast<std::uint64_t>(std::time(nullptr)));
  EXPECT_EQ(refusal(*server, client("alice", &old)), 45U);
}

TEST_F(ClientCertificates, OfAClientNeedBothFilesAndAreCheckedAtItsStart) {
  const auto error_of = [](const krepis::ClientOptions& options) {
    const auto client = krepis::QuicClient::start(options, std::make_unique<krepis::Application>());
    return client ? std::string("started") : client.error().message;
  };
  krepis::ClientOptions options = client("alice", &root_);
  options.key_path.clear();
  EXPECT_THAT(error_of(options), HasSubstr("key_path is not given"));
  options.key_path = client("bob", &root_).key_path;
  EXPECT_THAT(error_of(options), HasSubstr("does not match"));
}

}  // namespace
}  // namespace knul::test
