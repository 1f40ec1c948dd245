#include "quic/crypto/openssl_signer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "quic/crypto/tls_peer_test_support.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace knul::quic {
namespace {

Credentials make_credentials(KnulTestKeyKind kind) {
  const test::TemporaryFolder folder;
  KnulTestCertificateOptions options{};
  options.kind = kind;
  options.chain_length = 2;
  KnulTestCertificateFiles files;
  gnutls_certificate_credentials_t made = nullptr;
  gnutls_certificate_allocate_credentials(&made);
  Credentials owned(made);
  EXPECT_EQ(knul_test_write_certificates(folder.path().c_str(), "signer", &options, &files), 0);
  EXPECT_EQ(gnutls_certificate_set_x509_key_file(made, files.cert_path, files.key_path, GNUTLS_X509_FMT_PEM),
            0);
  return owned;
}

// New credentials with the chain of `slow` and its key behind OpenSSL; null: OpenSSL does not take the key.
Credentials sign_by_openssl(gnutls_certificate_credentials_t slow) {
  gnutls_x509_privkey_t key = nullptr;
  EXPECT_EQ(gnutls_certificate_get_x509_key(slow, 0, &key), 0);
  const X509Key owned_key(key);
  PrivateKey external = quic::sign_by_openssl(key);
  if (external == nullptr) {
    return nullptr;
  }
  gnutls_x509_crt_t* list = nullptr;
  unsigned count = 0;
  EXPECT_EQ(gnutls_certificate_get_x509_crt(slow, 0, &list, &count), 0);
  std::vector<gnutls_pcert_st> chain(count);
  for (unsigned i = 0; i < count; ++i) {
    gnutls_pcert_import_x509(&chain[i], list[i], 0);
    gnutls_x509_crt_deinit(list[i]);
  }
  gnutls_free(list);
  gnutls_certificate_credentials_t made = nullptr;
  gnutls_certificate_allocate_credentials(&made);
  EXPECT_GE(
      gnutls_certificate_set_key(made, nullptr, 0, chain.data(), static_cast<int>(count), external.release()),
      0);
  return Credentials(made);
}

// The scheme of a handshake with a client that accepts only `scheme`; 0: it failed. GnuTLS checks the
// signature.
int handshake(gnutls_certificate_credentials_t credentials, const std::string& scheme) {
  gnutls_certificate_credentials_t nothing = nullptr;
  gnutls_certificate_allocate_credentials(&nothing);
  const Credentials of_client(nothing);
  const std::string priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
  TlsPeer server(GNUTLS_SERVER | GNUTLS_NONBLOCK, priority, credentials);
  TlsPeer client(GNUTLS_CLIENT | GNUTLS_NONBLOCK, priority + ":-SIGN-ALL:+SIGN-" + scheme, nothing);
  client.connect(server);
  for (int turn = 0; turn < 10; ++turn) {
    const int of_them[] = {client.shake_hands(), server.shake_hands()};
    if (of_them[0] == 0 && of_them[1] == 0) {
      return gnutls_sign_algorithm_get(client.native());
    }
  }
  return 0;
}

class OpensslSigner : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_openssl()) {
      GTEST_SKIP() << "built without OpenSSL";
    }
  }
};

TEST_F(OpensslSigner, MakesSignaturesOfEveryHandshakeSchemeThatGnutlsAccepts) {
  const Credentials p256 = make_credentials(KNUL_TEST_KEY_P256);
  const Credentials rsa = make_credentials(KNUL_TEST_KEY_RSA2048);
  const Credentials fast_p256 = sign_by_openssl(p256.get());
  const Credentials fast_rsa = sign_by_openssl(rsa.get());
  ASSERT_NE(fast_p256, nullptr);
  ASSERT_NE(fast_rsa, nullptr);
  EXPECT_EQ(handshake(fast_p256.get(), "ECDSA-SECP256R1-SHA256"), GNUTLS_SIGN_ECDSA_SECP256R1_SHA256);
  EXPECT_EQ(handshake(fast_rsa.get(), "RSA-PSS-RSAE-SHA256"), GNUTLS_SIGN_RSA_PSS_RSAE_SHA256);
  EXPECT_EQ(handshake(fast_rsa.get(), "RSA-PSS-RSAE-SHA384"), GNUTLS_SIGN_RSA_PSS_RSAE_SHA384);
  EXPECT_EQ(handshake(fast_rsa.get(), "RSA-PSS-RSAE-SHA512"), GNUTLS_SIGN_RSA_PSS_RSAE_SHA512);
}

TEST_F(OpensslSigner, LeavesAnEd25519KeyToGnutls) {
  const Credentials slow = make_credentials(KNUL_TEST_KEY_ED25519);
  EXPECT_EQ(sign_by_openssl(slow.get()), nullptr);
  EXPECT_EQ(handshake(slow.get(), "EDDSA-ED25519"), GNUTLS_SIGN_EDDSA_ED25519);
}

TEST_F(OpensslSigner, DoesNotClaimSchemesOfAnotherKey) {
  const Credentials rsa = make_credentials(KNUL_TEST_KEY_RSA2048);
  const Credentials fast = sign_by_openssl(rsa.get());
  EXPECT_EQ(handshake(fast.get(), "ECDSA-SECP256R1-SHA256"), 0);
}

TEST_F(OpensslSigner, SignsInManyThreadsAtOnce) {
  const Credentials slow = make_credentials(KNUL_TEST_KEY_P256);
  const Credentials fast = sign_by_openssl(slow.get());
  ASSERT_NE(fast, nullptr);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 25; ++n)
        good += handshake(fast.get(), "ECDSA-SECP256R1-SHA256") == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(good, 100);
}

}  // namespace
}  // namespace knul::quic
