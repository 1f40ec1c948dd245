#include "support/certificate_maker.hpp"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <ctime>
#include <stdexcept>

namespace knul::test {
namespace {

void check(int code, const char* what) {
  if (code < 0) {
    throw std::runtime_error(std::string(what) + ": " + gnutls_strerror(code));
  }
}

struct KeyKind {
  gnutls_pk_algorithm_t algorithm;
  unsigned bits;
};

KeyKind kind_of(CertificateKey key) {
  switch (key) {
    case CertificateKey::kP256:
      return {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)};
    case CertificateKey::kP224:
      return {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP224R1)};
    case CertificateKey::kP384:
      return {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1)};
    case CertificateKey::kP521:
      return {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1)};
    case CertificateKey::kRsa1024:
      return {GNUTLS_PK_RSA, 1'024};
    case CertificateKey::kRsa2048:
      return {GNUTLS_PK_RSA, 2'048};
    case CertificateKey::kRsaPss2048:
      return {GNUTLS_PK_RSA_PSS, 2'048};
    case CertificateKey::kDsa:
      return {GNUTLS_PK_DSA, 1'024};
    case CertificateKey::kEd25519:
      return {GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519)};
    case CertificateKey::kEd448:
      return {GNUTLS_PK_EDDSA_ED448, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED448)};
  }
  throw std::runtime_error("no such kind of key");
}

std::string take(gnutls_datum_t& text) {
  std::string copy(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return copy;
}

gnutls_digest_algorithm_t digest_for(gnutls_x509_privkey_t key) {
  const int algorithm = gnutls_x509_privkey_get_pk_algorithm(key);
  if (algorithm == GNUTLS_PK_EDDSA_ED25519)
    return GNUTLS_DIG_SHA512;
  if (algorithm == GNUTLS_PK_EDDSA_ED448)
    return GNUTLS_DIG_SHAKE_256;
  return GNUTLS_DIG_SHA256;
}

void add_names(gnutls_x509_crt_t made, gnutls_x509_subject_alt_name_t type,
               const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    check(gnutls_x509_crt_set_subject_alt_name(made, type, name.data(), static_cast<unsigned>(name.size()),
                                               GNUTLS_FSAN_APPEND),
          "alternative name");
  }
}

// All bits of the numbers are set.
void set_rsa_numbers(gnutls_x509_crt_t made, const CertificateRequest& request) {
  std::string modulus(request.modulus_bytes, '\xff');
  std::string exponent(request.exponent_bytes, '\xff');
  const auto datum = [](std::string& text) {
    return gnutls_datum_t{reinterpret_cast<unsigned char*>(text.data()), static_cast<unsigned>(text.size())};
  };
  const gnutls_datum_t m = datum(modulus);
  const gnutls_datum_t e = datum(exponent);
  gnutls_pubkey_t key = nullptr;
  check(gnutls_pubkey_init(&key), "public key");
  const int imported = gnutls_pubkey_import_rsa_raw(key, &m, &e);
  const int set = imported < 0 ? imported : gnutls_x509_crt_set_pubkey(made, key);
  gnutls_pubkey_deinit(key);
  check(set, "public key");
}

void set_extensions(gnutls_x509_crt_t made, const CertificateRequest& request) {
  check(gnutls_x509_crt_set_basic_constraints(made, request.is_authority ? 1 : 0, -1), "constraints");
  add_names(made, GNUTLS_SAN_DNSNAME, request.dns_names);
  add_names(made, GNUTLS_SAN_URI, request.uris);
  add_names(made, GNUTLS_SAN_RFC822NAME, request.emails);
  if (request.has_address) {
    const unsigned char address[] = {127, 0, 0, 1};
    check(gnutls_x509_crt_set_subject_alt_name(made, GNUTLS_SAN_IPADDRESS, address, sizeof address,
                                               GNUTLS_FSAN_APPEND),
          "address");
  }
  if (request.key_usage) {
    check(gnutls_x509_crt_set_key_usage(made, *request.key_usage), "key usage");
  }
  for (const std::string& oid : request.purposes) {
    check(gnutls_x509_crt_set_key_purpose_oid(made, oid.c_str(), 0), "purpose");
  }
}

}  // namespace

struct MadeCertificate::State {
  State() {
    check(gnutls_x509_crt_init(&certificate), "certificate");
    check(gnutls_x509_privkey_init(&key), "key");
  }
  ~State() {
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  gnutls_x509_crt_t certificate = nullptr;
  gnutls_x509_privkey_t key = nullptr;
};

MadeCertificate::MadeCertificate(const CertificateRequest& request) : state_(std::make_unique<State>()) {
  gnutls_x509_crt_t made = state_->certificate;
  if (request.key_of != nullptr) {
    check(gnutls_x509_privkey_cpy(state_->key, request.key_of->state_->key), "key copy");
  } else {
    const KeyKind kind = kind_of(request.key);
    check(gnutls_x509_privkey_generate(state_->key, kind.algorithm, kind.bits, 0), "key generation");
  }
  const unsigned char serial[] = {static_cast<unsigned char>(request.serial >> 16 & 0xff),
                                  static_cast<unsigned char>(request.serial >> 8 & 0xff),
                                  static_cast<unsigned char>(request.serial & 0xff)};
  const std::time_t now = std::time(nullptr);
  check(gnutls_x509_crt_set_version(made, 3), "version");
  check(gnutls_x509_crt_set_serial(made, serial, sizeof serial), "serial");
  check(gnutls_x509_crt_set_activation_time(made, now + request.begins_in_seconds), "activation");
  check(gnutls_x509_crt_set_expiration_time(made, now + request.ends_in_seconds), "expiration");
  check(gnutls_x509_crt_set_dn_by_oid(made, GNUTLS_OID_X520_COMMON_NAME, 0, request.common_name.data(),
                                      static_cast<unsigned>(request.common_name.size())),
        "subject");
  check(gnutls_x509_crt_set_key(made, state_->key), "public key");
  if (request.modulus_bytes > 0) {
    set_rsa_numbers(made, request);
  }
  set_extensions(made, request);
  const State& issuer = request.issuer == nullptr ? *state_ : *request.issuer->state_;
  check(gnutls_x509_crt_sign2(made, issuer.certificate, issuer.key, digest_for(issuer.key), 0), "signature");
  gnutls_datum_t text{};
  check(gnutls_x509_crt_export2(made, GNUTLS_X509_FMT_PEM, &text), "certificate export");
  certificate_ = take(text);
  check(
      gnutls_x509_privkey_export2_pkcs8(state_->key, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &text),
      "key export");
  key_ = take(text);
}

MadeCertificate::~MadeCertificate() = default;

std::string MadeCertificate::der() const {
  gnutls_datum_t bytes{};
  check(gnutls_x509_crt_export2(state_->certificate, GNUTLS_X509_FMT_DER, &bytes), "certificate export");
  return take(bytes);
}

std::string MadeCertificate::encrypted_key() const {
  gnutls_datum_t text{};
  check(gnutls_x509_privkey_export2_pkcs8(state_->key, GNUTLS_X509_FMT_PEM, "secret",
                                          GNUTLS_PKCS_PBES2_AES_256, &text),
        "key export");
  return take(text);
}

}  // namespace knul::test
