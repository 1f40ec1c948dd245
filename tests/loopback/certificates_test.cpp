// Certificates of a running server: names, texts, reloads and watched files.
#include <krepis/krepis.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "loopback/blocking_client.hpp"
#include "loopback/test_server.hpp"
#include "support/certificate_maker.hpp"

namespace knul::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
}

// Replaces the file at `path` as programs that renew certificates do it: another file takes its name.
void replace(const std::string& path, const std::string& text) {
  write(path + ".new", text);
  std::filesystem::rename(path + ".new", path);
}

CertificateRequest named(const std::vector<std::string>& names, unsigned serial = 1) {
  CertificateRequest request;
  request.common_name = names.front();
  request.dns_names = names;
  request.serial = serial;
  return request;
}

std::string text_in(const std::string& json, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":\"";
  const std::size_t at = json.find(key);
  return at == std::string::npos
             ? "none"
             : json.substr(at + key.size(), json.find('"', at + key.size()) - at - key.size());
}

// A folder with a certificate for "localhost" at "cert.pem", its key at "key.pem".
class Certificates : public testing::Test {
 protected:
  Certificates() { install(first_); }

  void install(const MadeCertificate& made) {
    replace(cert_path(), made.certificate());
    replace(key_path(), made.key());
  }
  [[nodiscard]] std::string cert_path() const { return folder_.file("cert.pem"); }
  [[nodiscard]] std::string key_path() const { return folder_.file("key.pem"); }

  [[nodiscard]] krepis::ServerOptions options() const {
    krepis::ServerOptions options;
    options.cert_path = cert_path();
    options.key_path = key_path();
    options.workers = 2;
    return options;
  }

  // True: a new client that trusts only `made` completes a handshake for `name`.
  [[nodiscard]] bool serves(const krepis::QuicServer& server, const MadeCertificate& made,
                            const std::string& name = "localhost") const {
    const std::string ca = folder_.file("ca-" + std::to_string(++clients_) + ".pem");
    write(ca, made.certificate());
    krepis::ClientOptions client_options;
    client_options.ca_path = ca;
    BlockingClient client(client_options);
    return client.connect_as(name, server.port());
  }

  TemporaryFolder folder_;
  MadeCertificate first_{named({"localhost"}, 1)};
  mutable int clients_ = 0;
};

TEST_F(Certificates, AreServedFromTexts) {
  krepis::ServerOptions options = this->options();
  options.cert_path = options.key_path = "";
  options.cert_pem = first_.certificate();
  options.key_pem = first_.key();
  const auto server = start_echo(options);
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(serves(*server, first_));
  EXPECT_EQ(server->options().key_pem, "(not shown)");
  const auto reloaded = server->reload();
  ASSERT_FALSE(reloaded.has_value());
  EXPECT_EQ(reloaded.error().code, krepis::ErrorCode::kInvalidContext);
}

TEST_F(Certificates, AreChosenByTheNameThatAClientAsksFor) {
  const MadeCertificate exact(named({"exact.example"}));
  const MadeCertificate wildcard(named({"*.wild.example"}));
  krepis::ServerOptions options = this->options();
  for (const auto& [name, made] :
       {std::pair{"exact", std::cref(exact)}, std::pair{"wildcard", std::cref(wildcard)}}) {
    options.sni_cert_paths.push_back(folder_.file(std::string(name) + ".cert"));
    options.sni_key_paths.push_back(folder_.file(std::string(name) + ".key"));
    write(options.sni_cert_paths.back(), made.get().certificate());
    write(options.sni_key_paths.back(), made.get().key());
  }
  const auto server = start_echo(options);
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(serves(*server, first_, "localhost"));
  EXPECT_TRUE(serves(*server, exact, "exact.example"));
  EXPECT_TRUE(serves(*server, wildcard, "www.wild.example"));
  EXPECT_FALSE(serves(*server, first_, "exact.example"));
  EXPECT_EQ(text_in(statistics_of(*server), "certificate_names"), "localhost, exact.example, *.wild.example");
}

TEST_F(Certificates, OfNamesAreCheckedLikeTheFirstOne) {
  const MadeCertificate weak({.dns_names = {"weak.example"}, .key = CertificateKey::kRsa1024});
  const MadeCertificate nameless({.common_name = "x", .has_address = true});
  for (const auto& [made, part] :
       {std::pair{std::cref(weak), "RSA with 1024 bits"}, std::pair{std::cref(nameless), "no DNS name"}}) {
    krepis::ServerOptions options = this->options();
    options.sni_cert_paths = {folder_.file("bad.cert")};
    options.sni_key_paths = {folder_.file("bad.key")};
    write(options.sni_cert_paths[0], made.get().certificate());
    write(options.sni_key_paths[0], made.get().key());
    const auto server = krepis::QuicServer::start(options);
    ASSERT_FALSE(server.has_value());
    EXPECT_EQ(server.error().message.find("sni_cert_paths \"" + options.sni_cert_paths[0] + "\": "), 0U)
        << server.error().message;
    EXPECT_THAT(server.error().message, HasSubstr(part));
  }
}

TEST_F(Certificates, AreReplacedByAReload) {
  const auto server = start_echo(options());
  const MadeCertificate second(named({"localhost"}, 2));
  install(second);
  EXPECT_TRUE(serves(*server, first_)) << "nothing changes before the reload";
  ASSERT_TRUE(server->reload().has_value());
  EXPECT_TRUE(serves(*server, second));
  EXPECT_FALSE(serves(*server, first_));
  const std::string json = statistics_of(*server);
  EXPECT_EQ(value_in(json, "certificate_generation"), 2U);
  EXPECT_EQ(value_in(json, "certificate_reloads"), 1U);
  EXPECT_EQ(value_in(json, "certificate_reloads_failed"), 0U);
  EXPECT_EQ(value_in(json, "certificate_handshakes_earlier"), 1U);
  EXPECT_EQ(text_in(json, "certificate_serial"), "02");
}

TEST_F(Certificates, StayInUseAfterAReloadThatFails) {
  const auto server = start_echo(options());
  const MadeCertificate other(named({"localhost"}, 2));
  replace(key_path(), other.key());
  const auto mismatch = server->reload();
  ASSERT_FALSE(mismatch.has_value());
  EXPECT_EQ(mismatch.error().code, krepis::ErrorCode::kInternal);
  EXPECT_THAT(mismatch.error().message, HasSubstr("does not match"));
  std::filesystem::remove(cert_path());
  ASSERT_FALSE(server->reload().has_value());
  EXPECT_TRUE(serves(*server, first_));
  const std::string json = statistics_of(*server);
  EXPECT_EQ(value_in(json, "certificate_generation"), 1U);
  EXPECT_EQ(value_in(json, "certificate_reloads_failed"), 2U);
  EXPECT_EQ(text_in(json, "certificate_serial"), "01");
}

TEST_F(Certificates, OfAStoppedServerAreNotReloaded) {
  const auto server = start_echo(options());
  ASSERT_TRUE(server->stop(0ms).has_value());
  const auto reloaded = server->reload();
  ASSERT_FALSE(reloaded.has_value());
  EXPECT_EQ(reloaded.error().code, krepis::ErrorCode::kInvalidContext);
}

// Connects with one client again and again; the second handshake can resume the session of the first.
bool resumes(BlockingClient& client, std::uint16_t port, std::uint64_t context) {
  if (!client.connect(port, context) || !client.wait_answer(*client.send("ticket", context), context)) {
    ADD_FAILURE() << "no connection";
    return false;
  }
  bool is_resumed = false;
  client.on_connection(context, [&](krepis::Connection& connection) {
    is_resumed = connection.is_resumed();
    connection.close(0, {});
  });
  return is_resumed;
}

TEST_F(Certificates, KeepTheSessionsOfClientsWhenTheirNamesStay) {
  const auto server = start_echo(options());
  BlockingClient client;
  EXPECT_FALSE(resumes(client, server->port(), 1));
  EXPECT_TRUE(resumes(client, server->port(), 2));
  install(MadeCertificate(named({"localhost", "more.example"}, 2)));
  ASSERT_TRUE(server->reload().has_value());
  EXPECT_TRUE(resumes(client, server->port(), 3));
}

TEST_F(Certificates, EndTheSessionsOfClientsWhenANameHasGone) {
  install(MadeCertificate(named({"localhost", "gone.example"}, 1)));
  const auto server = start_echo(options());
  BlockingClient client;
  EXPECT_FALSE(resumes(client, server->port(), 1));
  install(MadeCertificate(named({"localhost"}, 2)));
  ASSERT_TRUE(server->reload().has_value());
  EXPECT_FALSE(resumes(client, server->port(), 2));
}

TEST_F(Certificates, AreReloadedFiftyTimesWithoutAFailedHandshake) {
  const auto server = start_echo(options());
  const MadeCertificate second(named({"localhost"}, 2));
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> connected = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      krepis::ClientOptions options = BlockingClient::insecure();
      options.resume_sessions = false;
      BlockingClient client(options);
      for (std::uint64_t context = 1; !is_over; ++context) {
        ++(client.connect(server->port(), context) ? connected : failed);
        client.on_connection(context, [](krepis::Connection& connection) { connection.close(0, {}); });
      }
    });
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    const MadeCertificate& present = i % 2 == 0 ? second : first_;
    const std::uint64_t before = connected;
    install(present);
    ASSERT_TRUE(server->reload().has_value()) << i;
    EXPECT_TRUE(serves(*server, present)) << i;
    EXPECT_TRUE(wait_until([&] { return connected >= before + 10; })) << i;
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  is_over = true;
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(failed, 0U);
  const std::string json = statistics_of(*server);
  EXPECT_EQ(value_in(json, "certificate_generation"), 51U);
  EXPECT_EQ(value_in(json, "error_count"), 0U);
  std::printf("%llu handshakes, %.0f a second\n", static_cast<unsigned long long>(connected),
              static_cast<double>(connected) / elapsed.count());
}

TEST_F(Certificates, MayBeReloadedByManyThreadsAtOnce) {
  const auto server = start_echo(options());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10; ++n) {
        EXPECT_TRUE(server->reload().has_value());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(value_in(statistics_of(*server), "certificate_generation"), 41U);
}

class WatchedCertificates : public Certificates {
 protected:
  [[nodiscard]] static bool reaches(const krepis::QuicServer& server, std::uint64_t generation) {
    return wait_until(
        [&] { return value_in(statistics_of(server), "certificate_generation") == generation; });
  }
  [[nodiscard]] krepis::ServerOptions watched() const {
    krepis::ServerOptions options = this->options();
    options.watch_certificates = true;
    return options;
  }
};

TEST_F(WatchedCertificates, AreReloadedWhenTheirFilesAreReplaced) {
  const auto server = start_echo(watched());
  const MadeCertificate second(named({"localhost"}, 2));
  install(second);
  EXPECT_TRUE(reaches(*server, 2));
  EXPECT_TRUE(serves(*server, second));
}

TEST_F(WatchedCertificates, AreReloadedWhenASymbolicLinkOnTheirPathMoves) {
  // As in Kubernetes: cert.pem -> ..data/cert.pem, ..data -> ..2026; the link ..data is replaced.
  const MadeCertificate second(named({"localhost"}, 2));
  const auto fill = [&](const std::string& name, const MadeCertificate& made) {
    std::filesystem::create_directory(folder_.file(name));
    write(folder_.file(name + "/cert.pem"), made.certificate());
    write(folder_.file(name + "/key.pem"), made.key());
  };
  fill("..one", first_);
  fill("..two", second);
  std::filesystem::create_directory_symlink("..one", folder_.file("..data"));
  for (const char* name : {"cert.pem", "key.pem"}) {
    std::filesystem::remove(folder_.file(name));
    std::filesystem::create_symlink(std::string("..data/") + name, folder_.file(name));
  }
  const auto server = start_echo(watched());
  ASSERT_TRUE(serves(*server, first_));
  std::filesystem::create_directory_symlink("..two", folder_.file("..new"));
  std::filesystem::rename(folder_.file("..new"), folder_.file("..data"));
  EXPECT_TRUE(reaches(*server, 2));
  EXPECT_TRUE(serves(*server, second));
  EXPECT_EQ(value_in(statistics_of(*server), "certificate_reloads_failed"), 0U);
}

TEST_F(WatchedCertificates, WaitForTheSecondFileOfAPairWithoutAFailure) {
  const auto server = start_echo(watched());
  const MadeCertificate second(named({"localhost"}, 2));
  replace(cert_path(), second.certificate());
  // Longer than the watch waits for quiet, so that it tries the pair and it does not match.
  std::this_thread::sleep_for(2'500ms);
  EXPECT_TRUE(serves(*server, first_));
  replace(key_path(), second.key());
  EXPECT_TRUE(reaches(*server, 2));
  EXPECT_TRUE(serves(*server, second));
  EXPECT_EQ(value_in(statistics_of(*server), "certificate_reloads_failed"), 0U);
}

TEST_F(WatchedCertificates, EndTheirThreadPromptlyAtAStop) {
  // The quickest of some, so that a busy machine does not decide.
  auto quickest = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 10 && quickest >= 900ms; ++i) {
    const auto server = start_echo(watched());
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(server->stop(5s).has_value());
    quickest = std::min(quickest, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(quickest, 900ms) << "less than the interval of the watch";
}

}  // namespace
}  // namespace knul::test
