// A server with a certificate of its own, for tests.
#pragma once

#include <krepis/krepis.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "service/service.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace knul::test {

struct TestCredentials {
  TestCredentials() {
    if (knul_test_write_certificates(folder.path().c_str(), "server", nullptr, &files) != 0)
      std::abort();
  }
  TemporaryFolder folder;
  KnulTestCertificateFiles files;
};

inline krepis::ServerOptions server_options() {
  static const TestCredentials credentials;
  krepis::ServerOptions options;
  options.cert_path = credentials.files.cert_path;
  options.key_path = credentials.files.key_path;
  options.workers = 2;
  return options;
}

inline std::unique_ptr<krepis::QuicServer> start_server(const krepis::ServerOptions& options,
                                                        krepis::ApplicationFactory factory) {
  auto server = krepis::QuicServer::start(options, std::move(factory));
  EXPECT_TRUE(server.has_value()) << server.error().message;
  return server ? *std::move(server) : nullptr;
}

inline std::unique_ptr<krepis::QuicServer> start_echo(krepis::ServerOptions options = server_options()) {
  return start_server(options, *service::service_factory("echo", ""));
}

inline std::string statistics_of(const krepis::QuicServer& server) {
  std::string json;
  server.stats_json(json);
  return json;
}

// The number with this name in a flat JSON object; the largest uint64 if the name is missing.
inline std::uint64_t value_in(const std::string& json, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":";
  const std::size_t at = json.find(key);
  return at == std::string::npos ? ~std::uint64_t{0} : std::stoull(json.substr(at + key.size()));
}

// True when the condition holds. Gives up after 20 s.
template <class Condition>
bool wait_until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace knul::test
