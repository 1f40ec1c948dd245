#include "support/test_certificates.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <cstdio>
#include <ctime>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr std::time_t kDay = 24 * 60 * 60;

void check(int code, const char* what) {
  if (code < 0) {
    throw std::runtime_error(std::string(what) + ": " + gnutls_strerror(code));
  }
}

struct KeyDeleter {
  void operator()(gnutls_x509_privkey_t key) const { gnutls_x509_privkey_deinit(key); }
};
struct CertificateDeleter {
  void operator()(gnutls_x509_crt_t certificate) const { gnutls_x509_crt_deinit(certificate); }
};
using Key = std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, KeyDeleter>;
using Certificate = std::unique_ptr<std::remove_pointer_t<gnutls_x509_crt_t>, CertificateDeleter>;

Key generate_key(KnulTestKeyKind kind) {
  gnutls_x509_privkey_t raw = nullptr;
  check(gnutls_x509_privkey_init(&raw), "key");
  Key key(raw);
  switch (kind) {
    case KNUL_TEST_KEY_P256:
      check(gnutls_x509_privkey_generate(raw, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
            "P-256 key");
      break;
    case KNUL_TEST_KEY_RSA2048:
      check(gnutls_x509_privkey_generate(raw, GNUTLS_PK_RSA, 2048, 0), "RSA key");
      break;
    case KNUL_TEST_KEY_ED25519:
      check(gnutls_x509_privkey_generate(raw, GNUTLS_PK_EDDSA_ED25519,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0),
            "Ed25519 key");
      break;
  }
  return key;
}

// What one certificate of a chain says; the root signs itself.
struct Subject {
  std::string common_name;
  bool is_authority;
  bool is_expired;
  bool is_client;
};

void add_names(gnutls_x509_crt_t certificate, const std::string& host, bool is_client) {
  static const unsigned char kV4[4] = {127, 0, 0, 1};
  static const unsigned char kV6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  check(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, host.data(),
                                             static_cast<unsigned>(host.size()), GNUTLS_FSAN_SET),
        "DNS name");
  check(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, kV4, sizeof kV4,
                                             GNUTLS_FSAN_APPEND),
        "IPv4 name");
  check(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, kV6, sizeof kV6,
                                             GNUTLS_FSAN_APPEND),
        "IPv6 name");
  const char* const purpose = is_client ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
  check(gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0), "key purpose");
}

Certificate make_certificate(const Subject& subject, gnutls_x509_privkey_t key, gnutls_x509_crt_t issuer,
                             gnutls_x509_privkey_t issuer_key, unsigned char serial) {
  gnutls_x509_crt_t raw = nullptr;
  check(gnutls_x509_crt_init(&raw), "certificate");
  Certificate certificate(raw);
  // Under 14 days in all, because clients that pin a certificate by its hash ask for that.
  const std::time_t now = std::time(nullptr);
  check(gnutls_x509_crt_set_version(raw, 3), "version");
  check(gnutls_x509_crt_set_serial(raw, &serial, 1), "serial");
  check(gnutls_x509_crt_set_activation_time(raw, now - (subject.is_expired ? 3 : 1) * kDay), "activation");
  check(gnutls_x509_crt_set_expiration_time(raw, subject.is_expired ? now - kDay : now + 10 * kDay),
        "expiration");
  check(gnutls_x509_crt_set_dn_by_oid(raw, GNUTLS_OID_X520_COMMON_NAME, 0, subject.common_name.data(),
                                      static_cast<unsigned>(subject.common_name.size())),
        "subject");
  check(gnutls_x509_crt_set_key(raw, key), "public key");
  check(gnutls_x509_crt_set_basic_constraints(raw, subject.is_authority ? 1 : 0, -1), "basic constraints");
  if (!subject.is_authority) {
    add_names(raw, subject.common_name, subject.is_client);
  }
  const bool is_eddsa = gnutls_x509_privkey_get_pk_algorithm(issuer_key) == GNUTLS_PK_EDDSA_ED25519;
  check(gnutls_x509_crt_sign2(raw, issuer == nullptr ? raw : issuer, issuer_key,
                              is_eddsa ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256, 0),
        "signature");
  return certificate;
}

void write_file(const char* path, const gnutls_datum_t& text) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "wb"), &std::fclose);
  if (!file || std::fwrite(text.data, 1, text.size, file.get()) != text.size) {
    throw std::runtime_error(std::string("cannot write ") + path);
  }
}

std::string pem_of(gnutls_x509_crt_t certificate) {
  gnutls_datum_t text{};
  check(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text), "certificate export");
  const std::string result(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return result;
}

void write_text(const char* path, const std::string& text) {
  std::string copy = text;
  write_file(path, {reinterpret_cast<unsigned char*>(copy.data()), static_cast<unsigned>(copy.size())});
}

void write_key(const char* path, gnutls_x509_privkey_t key, const char* password) {
  gnutls_datum_t text{};
  const unsigned flags = password != nullptr ? static_cast<unsigned>(GNUTLS_PKCS_PBES2_AES_256)
                                             : static_cast<unsigned>(GNUTLS_PKCS_PLAIN);
  check(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, password, flags, &text), "key export");
  write_file(path, text);
  gnutls_free(text.data);
}

void write_all(const KnulTestCertificateOptions& options, const KnulTestCertificateFiles& files) {
  const int length = options.chain_length > 0 ? options.chain_length : 1;
  const std::string host = options.host != nullptr ? options.host : "localhost";
  std::string chain;
  Key issuer_key;
  Certificate issuer;
  for (int level = length - 1; level >= 0; --level) {  // the root first
    const bool is_leaf = level == 0;
    Key key = generate_key(options.kind);
    const Subject subject{is_leaf ? host : "KNUL test authority " + std::to_string(level), !is_leaf,
                          is_leaf && options.is_expired != 0, options.is_client != 0};
    Certificate certificate =
        make_certificate(subject, key.get(), issuer.get(), issuer ? issuer_key.get() : key.get(),
                         static_cast<unsigned char>(level + 1));
    const std::string pem = pem_of(certificate.get());
    if (!issuer) {
      write_text(files.ca_path, pem);
    }
    chain = pem + chain;
    issuer = std::move(certificate);
    issuer_key = std::move(key);
  }
  write_text(files.cert_path, chain);
  write_key(files.key_path, issuer_key.get(), options.key_password);
}

bool set_path(char (&out)[512], const char* folder, const char* name, const char* suffix) {
  const int length = std::snprintf(out, sizeof out, "%s/%s%s", folder, name, suffix);
  return length > 0 && static_cast<std::size_t>(length) < sizeof out;
}

}  // namespace

int knul_test_write_certificates(const char* folder, const char* name,
                                 const KnulTestCertificateOptions* options, KnulTestCertificateFiles* files) {
  try {
    if (!set_path(files->cert_path, folder, name, ".cert.pem") ||
        !set_path(files->key_path, folder, name, ".key.pem") ||
        !set_path(files->ca_path, folder, name, ".ca.pem")) {
      throw std::runtime_error("path too long");
    }
    write_all(options != nullptr ? *options : KnulTestCertificateOptions{}, *files);
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "test certificates: %s\n", failure.what());
    return -1;
  }
}
