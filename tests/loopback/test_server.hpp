// A server with a certificate of its own, for tests.
#pragma once

#include <krepis/krepis.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

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

}  // namespace knul::test
