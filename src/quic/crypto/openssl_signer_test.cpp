#include "quic/crypto/openssl_signer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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

// TLS over two strings.
class TlsPeer {
 public:
  TlsPeer(unsigned role, const std::string& priority, gnutls_certificate_credentials_t credentials) {
    gnutls_init(&session_, role);
    gnutls_priority_set_direct(session_, priority.c_str(), nullptr);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_push_function(session_, &push);
    gnutls_transport_set_pull_function(session_, &pull);
  }
  ~TlsPeer() { gnutls_deinit(session_); }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  int shake_hands() { return result_ == GNUTLS_E_AGAIN ? result_ = gnutls_handshake(session_) : result_; }
  void connect(TlsPeer& other) {
    other_ = &other;
    other.other_ = this;
  }
  [[nodiscard]] gnutls_session_t native() const { return session_; }

 private:
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, std::size_t size) {
    static_cast<TlsPeer*>(self)->other_->input_.append(static_cast<const char*>(data), size);
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* data, std::size_t size) {
    std::string& input = static_cast<TlsPeer*>(self)->input_;
    if (input.empty()) {
      gnutls_transport_set_errno(static_cast<TlsPeer*>(self)->session_, EAGAIN);
      return -1;
    }
    const std::size_t taken = std::min(size, input.size());
    std::memcpy(data, input.data(), taken);
    input.erase(0, taken);
    return static_cast<ssize_t>(taken);
  }

  gnutls_session_t session_ = nullptr;
  TlsPeer* other_ = nullptr;
  std::string input_;
  int result_ = GNUTLS_E_AGAIN;
};

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

TEST_F(OpensslSigner, KeepsTheWholeChain) {
  const Credentials slow = make_credentials(KNUL_TEST_KEY_P256);
  const Credentials fast = sign_by_openssl(slow.get());
  ASSERT_NE(fast, nullptr);
  gnutls_datum_t der{};
  EXPECT_EQ(gnutls_certificate_get_crt_raw(fast.get(), 0, 1, &der), 0);
  EXPECT_NE(gnutls_certificate_get_crt_raw(fast.get(), 0, 2, &der), 0);
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
