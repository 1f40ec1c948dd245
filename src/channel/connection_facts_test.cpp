#include "channel/connection_facts.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

krepis::PeerCertificate alice() {
  krepis::PeerCertificate certificate;
  certificate.subject = "CN=\"alice\"\n\xff";
  certificate.issuer = "CN=Root";
  certificate.serial = "0a";
  certificate.sha256 = "00ff";
  certificate.not_before = std::chrono::sys_seconds(std::chrono::seconds(1));
  certificate.not_after = std::chrono::sys_seconds(std::chrono::seconds(2));
  certificate.dns_names = {"a.example", "b.example"};
  certificate.uris = {"spiffe://a"};
  certificate.ip_addresses = {"::1"};
  certificate.verified = true;
  return certificate;
}

TEST(ConnectionFacts, HaveNoCertificateOfAConnectionWithoutOne) {
  const RecordingConnection connection;
  EXPECT_EQ(certificate_json(connection), nullptr);
  const auto json = nlohmann::json::parse(identity_json(connection, nullptr));
  EXPECT_FALSE(json.contains("peer_certificate"));
}

TEST(ConnectionFacts, HaveTheCertificateAsJson) {
  RecordingConnection connection;
  connection.certificate = alice();
  const auto certificate = certificate_json(connection);
  ASSERT_NE(certificate, nullptr);
  const auto json = nlohmann::json::parse(identity_json(connection, certificate.get()));
  EXPECT_EQ(json["peer_certificate"], nlohmann::json::parse(R"({
    "subject": "CN=\"alice\"\n\ufffd", "issuer": "CN=Root", "serial": "0a", "sha256": "00ff", "not_before": 1,
    "not_after": 2, "dns_names": ["a.example", "b.example"], "uris": ["spiffe://a"], "ip_addresses": ["::1"],
    "emails": [], "names_omitted": false, "verified": true})"));
}

}  // namespace
}  // namespace knul::channel
