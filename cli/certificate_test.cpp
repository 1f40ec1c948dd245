#include "cli/certificate.hpp"

#include <gnutls/x509.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/temporary_folder.h"

namespace knul::cli {
namespace {

class Certificate : public testing::Test {
 protected:
  Certificate() { gnutls_x509_crt_init(&parsed_); }
  ~Certificate() override { gnutls_x509_crt_deinit(parsed_); }
  gnutls_x509_crt_t parse(const PemPair& pair) {
    const std::string& text = pair.certificate;
    const gnutls_datum_t datum{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
                               static_cast<unsigned>(text.size())};
    EXPECT_EQ(gnutls_x509_crt_import(parsed_, &datum, GNUTLS_X509_FMT_PEM), 0);
    return parsed_;
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const test::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  gnutls_x509_crt_t parsed_ = nullptr;
};

TEST_F(Certificate, NamesEveryHost) {
  const auto pair = make_certificate({.hosts = {"example.test", "127.0.0.1", "::1"}, .days = 2});
  ASSERT_TRUE(pair);
  for (const char* const host : {"example.test", "127.0.0.1", "::1"}) {
    EXPECT_NE(gnutls_x509_crt_check_hostname(parse(*pair), host), 0U) << host;
  }
  EXPECT_EQ(gnutls_x509_crt_check_hostname(parsed_, "other.test"), 0U);
}

TEST_F(Certificate, IsEcdsaOnP256) {
  const auto pair = make_certificate({.hosts = {"localhost"}});
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  ASSERT_EQ(gnutls_x509_crt_get_pk_ecc_raw(parse(*pair), &curve, nullptr, nullptr), 0);
  EXPECT_EQ(curve, GNUTLS_ECC_CURVE_SECP256R1);
}

TEST_F(Certificate, IsValidNowAndForTheDaysAskedFor) {
  const auto pair = make_certificate({.hosts = {"localhost"}, .days = 10});
  const std::time_t now = std::time(nullptr);
  EXPECT_LT(gnutls_x509_crt_get_activation_time(parse(*pair)), now);
  EXPECT_NEAR(static_cast<double>(gnutls_x509_crt_get_expiration_time(parsed_) - now), 10 * 86'400.0, 60.0);
}

TEST_F(Certificate, BelongsToItsKey) {
  const auto pair = make_certificate({.hosts = {"localhost"}});
  const std::string& text = pair->key;
  const gnutls_datum_t datum{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
                             static_cast<unsigned>(text.size())};
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_privkey_init(&key);
  ASSERT_EQ(gnutls_x509_privkey_import(key, &datum, GNUTLS_X509_FMT_PEM), 0);
  std::array<unsigned char, 32> of_key{};
  std::array<unsigned char, 32> of_certificate{};
  std::size_t size = of_key.size();
  ASSERT_EQ(gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key.data(), &size), 0);
  ASSERT_EQ(gnutls_x509_crt_get_key_id(parse(*pair), GNUTLS_KEYID_USE_SHA256, of_certificate.data(), &size),
            0);
  EXPECT_EQ(of_key, of_certificate);
  gnutls_x509_privkey_deinit(key);
}

TEST_F(Certificate, IsWrittenWithAPrivateKeyFile) {
  const auto files =
      write_certificate({"CERT", "KEY"}, (folder_ / "new/folder").string(), Overwrite::kRefuse);
  ASSERT_TRUE(files);
  EXPECT_EQ(read(files->certificate_path), "CERT");
  EXPECT_EQ(read(files->key_path), "KEY");
  struct stat status {};
  ASSERT_EQ(::stat(files->key_path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "new/folder"), {}), 2);
}

TEST_F(Certificate, ReplacesFilesOnlyWhenAllowed) {
  ASSERT_TRUE(write_certificate({"CERT", "KEY"}, folder_.string(), Overwrite::kRefuse));
  const auto refused = write_certificate({"NEW", "NEW"}, folder_.string(), Overwrite::kRefuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ExitCode::kUsage);
  EXPECT_EQ(read((folder_ / "key.pem").string()), "KEY");
  ASSERT_TRUE(write_certificate({"NEW", "NEW"}, folder_.string(), Overwrite::kAllow));
  EXPECT_EQ(read((folder_ / "key.pem").string()), "NEW");
}

TEST_F(Certificate, OfAClientIsIssuedByAnAuthority) {
  const auto authority = make_certificate({.kind = CertificateKind::kAuthority, .name = "Root"});
  ASSERT_TRUE(authority);
  const auto client =
      make_certificate({.kind = CertificateKind::kClient, .name = "alice", .issuer = *authority});
  ASSERT_TRUE(client);
  EXPECT_EQ(gnutls_x509_crt_get_ca_status(parse(*authority), nullptr), 1);
  gnutls_x509_crt_t issuer = nullptr;
  gnutls_x509_crt_init(&issuer);
  const gnutls_datum_t text{
      reinterpret_cast<unsigned char*>(const_cast<char*>(authority->certificate.data())),
      static_cast<unsigned>(authority->certificate.size())};
  gnutls_x509_crt_import(issuer, &text, GNUTLS_X509_FMT_PEM);
  unsigned status = 1;
  EXPECT_EQ(gnutls_x509_crt_verify(parse(*client), &issuer, 1, 0, &status), 0);
  EXPECT_EQ(status, 0U);
  gnutls_x509_crt_deinit(issuer);
  std::array<char, 64> purpose{};
  std::size_t size = purpose.size();
  EXPECT_EQ(gnutls_x509_crt_get_key_purpose_oid(parsed_, 0, purpose.data(), &size, nullptr), 0);
  EXPECT_STREQ(purpose.data(), GNUTLS_KP_TLS_WWW_CLIENT);
}

TEST_F(Certificate, IsNotIssuedByACertificateThatIsNoAuthority) {
  const auto server = make_certificate({.hosts = {"localhost"}});
  const auto client =
      make_certificate({.kind = CertificateKind::kClient, .name = "alice", .issuer = *server});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ExitCode::kUsage);
}

TEST_F(Certificate, OfAClientHasANameOfAtMost64Bytes) {
  EXPECT_FALSE(make_certificate({.kind = CertificateKind::kClient}));
  EXPECT_FALSE(make_certificate({.kind = CertificateKind::kClient, .name = std::string(65, 'n')}));
  EXPECT_TRUE(make_certificate({.kind = CertificateKind::kClient, .name = std::string(64, 'n')}));
}

}  // namespace
}  // namespace knul::cli
