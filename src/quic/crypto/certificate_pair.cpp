#include "quic/crypto/certificate_pair.hpp"

#include <algorithm>
#include <array>

#include "quic/crypto/certificate_checks.hpp"
#include "quic/crypto/openssl_signer.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;

Error with_source(const std::string& source, base::Status status) {
  Error error = std::move(status).error();
  error.message.insert(0, source + ": ");
  return error;
}

// False if the public keys differ. GnuTLS 3.7 does not notice that for Ed25519. For RSA it decides itself,
// because an RSA key may sign for an RSA-PSS certificate, whose public key has another identifier.
bool has_same_key(gnutls_x509_crt_t leaf, gnutls_x509_privkey_t key) {
  std::array<unsigned char, 32> of_leaf{};
  std::array<unsigned char, 32> of_key{};
  std::size_t leaf_size = of_leaf.size();
  std::size_t key_size = of_key.size();
  const bool is_known =
      gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, of_leaf.data(), &leaf_size) == 0 &&
      gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key.data(), &key_size) == 0;
  return (is_known && of_leaf == of_key) || gnutls_x509_privkey_get_pk_algorithm(key) == GNUTLS_PK_RSA;
}

// GnuTLS signs with the key and checks the signature.
base::Status check_match(const PemPair& pem, std::span<const Certificate> chain, gnutls_x509_privkey_t key) {
  gnutls_certificate_credentials_t made = nullptr;
  if (gnutls_certificate_allocate_credentials(&made) != GNUTLS_E_SUCCESS) {
    return Error{ErrorKind::kOutOfMemory, "cannot create TLS credentials"};
  }
  const Credentials owned(made);
  gnutls_x509_crt_t leaf = chain.front().get();
  const int rv = gnutls_certificate_set_x509_key(made, &leaf, 1, key);
  if (rv == GNUTLS_E_CERTIFICATE_KEY_MISMATCH || (rv >= 0 && !has_same_key(leaf, key))) {
    return Error{ErrorKind::kCredentials,
                 pem.key_source + ": the key does not match the certificate of " + pem.certificate_source};
  }
  return rv >= 0 ? base::Status{}
                 : Error{ErrorKind::kCredentials, pem.key_source + ": the key cannot sign for " +
                                                      pem.certificate_source + ": " + gnutls_strerror(rv)};
}

}  // namespace

base::Result<std::shared_ptr<const CertificatePair>> CertificatePair::load(const PemPair& pem,
                                                                           std::optional<std::int64_t> now) {
  auto chain = read_chain(pem.certificate, pem.certificate_source, "PEM certificates, leaf first");
  if (!chain) {
    return std::move(chain).error();
  }
  base::Status status = check_order(*chain);
  if (status) {
    status = check_purpose(chain->front().get(), pem.use);
  }
  if (status && now) {
    status = check_begun(*chain, *now);
  }
  if (!status) {
    return with_source(pem.certificate_source, std::move(status));
  }
  const std::shared_ptr<CertificatePair> pair(new CertificatePair);
  status = pair->adopt_chain(*chain);
  if (status) {
    status = pair->adopt_key(pem, *chain);
  }
  if (!status) {
    return std::move(status).error();
  }
  return std::shared_ptr<const CertificatePair>(pair);
}

CertificatePair::~CertificatePair() {
  std::ranges::for_each(chain_, [](gnutls_pcert_st& one) { gnutls_pcert_deinit(&one); });
}

base::Status CertificatePair::adopt_chain(std::span<const Certificate> chain) {
  gnutls_x509_crt_t leaf = chain.front().get();
  facts_ = facts_of_certificate(leaf);
  schemes_ = schemes_of(leaf);
  chain_.resize(chain.size());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (const int rv = gnutls_pcert_import_x509(&chain_[i], chain[i].get(), 0); rv != GNUTLS_E_SUCCESS) {
      return Error{ErrorKind::kOutOfMemory, std::string("cannot copy a certificate: ") + gnutls_strerror(rv)};
    }
  }
  return {};
}

base::Status CertificatePair::adopt_key(const PemPair& pem, std::span<const Certificate> chain) {
  auto key = read_key(pem.key, pem.key_source);
  if (!key) {
    return std::move(key).error();
  }
  if (base::Status status = check_match(pem, chain, key->get()); !status) {
    return status;
  }
  key_ = sign_by_openssl(key->get());
  if (key_ != nullptr) {
    return {};
  }
  gnutls_privkey_t own = nullptr;
  if (gnutls_privkey_init(&own) != GNUTLS_E_SUCCESS) {
    return Error{ErrorKind::kOutOfMemory, "cannot create a key"};
  }
  key_.reset(own);
  const int rv = gnutls_privkey_import_x509(own, key->get(), GNUTLS_PRIVKEY_IMPORT_COPY);
  return rv == GNUTLS_E_SUCCESS
             ? base::Status{}
             : Error{ErrorKind::kInternal, pem.key_source + ": cannot use the key: " + gnutls_strerror(rv)};
}

bool CertificatePair::can_sign(gnutls_sign_algorithm_t scheme) const {
  return std::ranges::find(schemes_, scheme) != schemes_.end();
}

}  // namespace knul::quic
