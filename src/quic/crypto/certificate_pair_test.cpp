// A matrix of certificates that a server accepts or refuses.
#include "quic/crypto/certificate_pair.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "support/certificate_maker.hpp"

namespace knul::quic {
namespace {

using test::CertificateKey;
using test::CertificateRequest;
using test::MadeCertificate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

base::Result<std::shared_ptr<const CertificatePair>> load(const std::string& chain, const std::string& key) {
  return CertificatePair::load({.certificate = bytes(chain),
                                .key = bytes(key),
                                .certificate_source = "cert_path \"c.pem\"",
                                .key_source = "key_path \"k.pem\""},
                               std::time(nullptr));
}

base::Result<std::shared_ptr<const CertificatePair>> load(const CertificateRequest& request) {
  const MadeCertificate made(request);
  return load(made.certificate(), made.key());
}

void expect_refused(const base::Result<std::shared_ptr<const CertificatePair>>& loaded,
                    const std::string& source, const std::string& part) {
  ASSERT_FALSE(loaded.has_value()) << "expected: " << part;
  EXPECT_EQ(loaded.error().kind, base::ErrorKind::kCredentials);
  EXPECT_EQ(loaded.error().message.find(source), 0U) << loaded.error().message;
  EXPECT_THAT(loaded.error().message, HasSubstr(part));
}
void expect_certificate_refused(const CertificateRequest& request, const std::string& part) {
  expect_refused(load(request), "cert_path \"c.pem\": ", part);
}

struct Authority {
  MadeCertificate root{{.common_name = "Root", .is_authority = true}};
  MadeCertificate middle{{.common_name = "Middle", .is_authority = true, .issuer = &root}};
  MadeCertificate leaf{{.common_name = "leaf", .dns_names = {"leaf.example"}, .issuer = &middle}};
};

TEST(CertificatePair, AcceptsEveryKeyThatTls13CanSignWith) {
  for (const auto key :
       {CertificateKey::kP256, CertificateKey::kP384, CertificateKey::kP521, CertificateKey::kRsa2048,
        CertificateKey::kRsaPss2048, CertificateKey::kEd25519, CertificateKey::kEd448}) {
    const auto loaded = load({.key = key});
    EXPECT_TRUE(loaded.has_value()) << static_cast<int>(key) << ": " << loaded.error().message;
  }
}

TEST(CertificatePair, RefusesKeysThatTls13CannotSignWithAndSaysWhatItExpects) {
  expect_certificate_refused({.key = CertificateKey::kRsa1024},
                             "key is RSA with 1024 bits, expected RSA with at least 2048 bits");
  expect_certificate_refused({.key = CertificateKey::kDsa}, "key is DSA with");
  expect_certificate_refused({.key = CertificateKey::kP224}, "SECP224R1");
  expect_certificate_refused({.key = CertificateKey::kP224}, "P-256, P-384 or P-521, Ed25519 or Ed448");
}

TEST(CertificatePair, RefusesACertificateThatIsNotValidYetAndSaysFromWhen) {
  expect_certificate_refused({.begins_in_seconds = 3'600}, "is not valid before 2");
}

TEST(CertificatePair, AcceptsAnExpiredCertificate) {
  const auto loaded = load({.begins_in_seconds = -7'200, .ends_in_seconds = -3'600});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_LT((*loaded)->facts().not_after, std::time(nullptr));
}

TEST(CertificatePair, RefusesAKeyUsageWithoutDigitalSignature) {
  expect_certificate_refused({.key_usage = GNUTLS_KEY_KEY_ENCIPHERMENT}, "digitalSignature");
  EXPECT_TRUE(load({.key_usage = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT}).has_value());
}

TEST(CertificatePair, RefusesAnExtendedKeyUsageWithoutServerAuth) {
  expect_certificate_refused({.purposes = {GNUTLS_KP_TLS_WWW_CLIENT}}, "serverAuth");
  EXPECT_TRUE(load({.purposes = {GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_TLS_WWW_SERVER}}).has_value());
  EXPECT_TRUE(load({.purposes = {"2.5.29.37.0"}}).has_value()) << "any purpose";
}

TEST(CertificatePair, AcceptsAChainInOrderWithOrWithoutItsRoot) {
  const Authority of;
  const std::string without_root = of.leaf.certificate() + of.middle.certificate();
  EXPECT_TRUE(load(of.leaf.certificate(), of.leaf.key()).has_value());
  EXPECT_TRUE(load(without_root, of.leaf.key()).has_value());
  const auto whole = load(without_root + of.root.certificate(), of.leaf.key());
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_EQ((*whole)->chain().size(), 3U);
}

TEST(CertificatePair, RefusesAChainInAnotherOrder) {
  const Authority of;
  const auto loaded =
      load(of.leaf.certificate() + of.root.certificate() + of.middle.certificate(), of.leaf.key());
  expect_refused(loaded, "cert_path \"c.pem\": certificate 2 \"CN=Root\" follows", "issuer is \"CN=Middle\"");
}

TEST(CertificatePair, RefusesARootBeforeTheLeaf) {
  const Authority of;
  const auto loaded =
      load(of.root.certificate() + of.middle.certificate() + of.leaf.certificate(), of.leaf.key());
  expect_refused(loaded, "cert_path", "expected the leaf first");
}

TEST(CertificatePair, RefusesAnUnrelatedCertificateInTheChain) {
  const Authority of;
  const MadeCertificate other({.common_name = "Other", .is_authority = true});
  expect_refused(load(of.leaf.certificate() + other.certificate(), of.leaf.key()), "cert_path",
                 "\"CN=Other\"");
}

TEST(CertificatePair, RefusesAnAuthorityOfTheSameNameThatDidNotSign) {
  const Authority of;
  const MadeCertificate impostor({.common_name = "Middle", .is_authority = true, .issuer = &of.root});
  expect_refused(load(of.leaf.certificate() + impostor.certificate(), of.leaf.key()), "cert_path",
                 "did not sign it");
}

TEST(CertificatePair, RefusesAnIssuerThatIsNoAuthority) {
  const MadeCertificate plain({.common_name = "Plain"});
  const MadeCertificate leaf({.common_name = "leaf", .issuer = &plain});
  expect_refused(load(leaf.certificate() + plain.certificate(), leaf.key()), "cert_path", "authority");
}

TEST(CertificatePair, RefusesAnAuthorityThatIsNotValidYet) {
  const MadeCertificate root({.common_name = "Root", .begins_in_seconds = 3'600, .is_authority = true});
  const MadeCertificate leaf({.common_name = "leaf", .issuer = &root});
  expect_refused(load(leaf.certificate() + root.certificate(), leaf.key()), "cert_path",
                 "certificate 2 \"CN=Root\" is not valid before");
}

TEST(CertificatePair, RefusesTheKeyOfAnotherCertificateOfTheSameKind) {
  for (const auto kind : {CertificateKey::kP256, CertificateKey::kP384, CertificateKey::kRsa2048,
                          CertificateKey::kRsaPss2048, CertificateKey::kEd25519, CertificateKey::kEd448}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const MadeCertificate one({.key = kind});
    const MadeCertificate two({.key = kind});
    expect_refused(load(one.certificate(), two.key()),
                   "key_path \"k.pem\": ", "does not match the certificate of cert_path \"c.pem\"");
  }
}

TEST(CertificatePair, RefusesAKeyOfAnotherKind) {
  const MadeCertificate one({.key = CertificateKey::kP256});
  const MadeCertificate two({.key = CertificateKey::kRsa2048});
  expect_refused(load(one.certificate(), two.key()), "key_path \"k.pem\": ", "match");
}

TEST(CertificatePair, RefusesTextsThatAreNotWhatTheyShouldBe) {
  const MadeCertificate one({});
  expect_refused(load("", one.key()), "cert_path", "expected PEM certificates");
  expect_refused(load("text", one.key()), "cert_path", "expected PEM certificates");
  expect_refused(load(one.key(), one.key()), "cert_path", "holds a private key");
  expect_refused(load(one.certificate(), ""), "key_path", "holds no private key");
  expect_refused(load(one.certificate(), one.certificate()), "key_path", "holds no private key");
  expect_refused(load(one.certificate(), one.encrypted_key()), "key_path", "is encrypted");
  expect_refused(load(one.certificate(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                 "key_path", "expected an unencrypted PEM private key");
}

TEST(CertificatePair, NeverPutsBytesOfAKeyIntoAnError) {
  const MadeCertificate one({});
  const MadeCertificate two({});
  const std::string body = two.key().substr(40, 30);
  for (const auto& loaded : {load(one.certificate(), two.key()), load(two.key(), one.key()),
                             load(one.certificate(), two.key().substr(0, 100))}) {
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().message.find(body), std::string::npos);
  }
}

TEST(CertificatePair, ReportsTheFactsOfTheLeaf) {
  const auto loaded = load({.common_name = "unused.example",
                            .dns_names = {"A.Example.", "*.b.example", "a.example"},
                            .serial = 0x0a0b0c});
  ASSERT_TRUE(loaded.has_value());
  const CertificateFacts& facts = (*loaded)->facts();
  EXPECT_EQ(facts.serial, "0a0b0c");
  EXPECT_THAT(facts.names, ElementsAre("a.example", "*.b.example"));
  EXPECT_LT(facts.not_before, std::time(nullptr));
  EXPECT_GT(facts.not_after, std::time(nullptr));
}

TEST(CertificatePair, TakesTheCommonNameOnlyWithoutAlternativeNames) {
  EXPECT_THAT((*load({.common_name = "Old.Example"}))->facts().names, ElementsAre("old.example"));
}

}  // namespace
}  // namespace knul::quic
