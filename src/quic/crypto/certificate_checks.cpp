#include "quic/crypto/certificate_checks.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/text.hpp"
#include "base/utc_text.hpp"
#include "quic/crypto/server_names.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;

constexpr unsigned kLeastRsaBits = 2'048;
constexpr std::string_view kExpectedKey =
    "expected RSA with at least 2048 bits, ECDSA on P-256, P-384 or P-521, Ed25519 or Ed448";

// GnuTLS names an ECDSA scheme of TLS 1.3 with its curve or, as in TLS 1.2, without it.
constexpr std::array kRsaSchemes = {GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384,
                                    GNUTLS_SIGN_RSA_PSS_RSAE_SHA512};
constexpr std::array kRsaPssSchemes = {GNUTLS_SIGN_RSA_PSS_SHA256, GNUTLS_SIGN_RSA_PSS_SHA384,
                                       GNUTLS_SIGN_RSA_PSS_SHA512};
constexpr std::array kP256Schemes = {GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, GNUTLS_SIGN_ECDSA_SHA256};
constexpr std::array kP384Schemes = {GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, GNUTLS_SIGN_ECDSA_SHA384};
constexpr std::array kP521Schemes = {GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, GNUTLS_SIGN_ECDSA_SHA512};
constexpr std::array kEd25519Schemes = {GNUTLS_SIGN_EDDSA_ED25519};
constexpr std::array kEd448Schemes = {GNUTLS_SIGN_EDDSA_ED448};

Error refused(std::string why) { return {ErrorKind::kCredentials, std::move(why)}; }

gnutls_datum_t datum(std::span<const std::uint8_t> bytes) {
  // GnuTLS takes a mutable pointer but only reads through it.
  return {const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}

bool contains(std::span<const std::uint8_t> pem, std::string_view part) {
  return std::string_view(reinterpret_cast<const char*>(pem.data()), pem.size()).find(part) !=
         std::string_view::npos;
}

// For the array alone, not for the certificates in it.
struct FreeList {
  void operator()(gnutls_x509_crt_t* list) const { gnutls_free(list); }
};

// Refuses the PIN: without this callback an encrypted key could make GnuTLS prompt on a terminal.
int refuse_pin(void*, int, const char*, const char*, unsigned, char*, std::size_t) {
  return GNUTLS_E_PKCS11_PIN_ERROR;
}

std::string quoted(gnutls_datum_t& text, int rv) {
  if (rv != GNUTLS_E_SUCCESS) {
    return "without a name";
  }
  std::string name = '"' + std::string(reinterpret_cast<const char*>(text.data), text.size) + '"';
  gnutls_free(text.data);
  return name;
}

std::string subject_of(gnutls_x509_crt_t certificate) {
  gnutls_datum_t text{};
  const int rv = gnutls_x509_crt_get_dn3(certificate, &text, 0);
  return quoted(text, rv);
}

std::string issuer_of(gnutls_x509_crt_t certificate) {
  gnutls_datum_t text{};
  const int rv = gnutls_x509_crt_get_issuer_dn3(certificate, &text, 0);
  return quoted(text, rv);
}

// "certificate 2 "CN=Authority"", counted from 1 as in the file.
std::string place(std::span<const Certificate> chain, std::size_t index) {
  return "certificate " + std::to_string(index + 1) + " " + subject_of(chain[index].get());
}

// Why `issuer` did not sign `certificate`; empty: it did.
std::string_view why_not_signed(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer) {
  unsigned status = 0;
  // Only order and signatures: clients judge the algorithms and dates of authorities themselves.
  constexpr unsigned kFlags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS |
                              GNUTLS_VERIFY_ALLOW_BROKEN | GNUTLS_VERIFY_ALLOW_X509_V1_CA_CRT |
                              GNUTLS_VERIFY_DISABLE_CRL_CHECKS;
  if (gnutls_x509_crt_verify(certificate, &issuer, 1, kFlags, &status) < 0) {
    return "cannot be checked against it";
  }
  if ((status & GNUTLS_CERT_SIGNER_NOT_CA) != 0) {
    return "is not the certificate of an authority";
  }
  return (status & (GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_FOUND)) != 0 ? "did not sign it"
                                                                                        : "";
}

std::optional<gnutls_ecc_curve_t> curve_of(gnutls_x509_crt_t certificate) {
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  if (gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, nullptr, nullptr) != GNUTLS_E_SUCCESS) {
    return std::nullopt;
  }
  return curve;
}

std::string describe_key(gnutls_x509_crt_t leaf) {
  unsigned bits = 0;
  const int algorithm = gnutls_x509_crt_get_pk_algorithm(leaf, &bits);
  const char* name =
      algorithm < 0 ? nullptr : gnutls_pk_get_name(static_cast<gnutls_pk_algorithm_t>(algorithm));
  std::string text = name == nullptr ? "of an unknown kind" : name;
  if (algorithm == GNUTLS_PK_ECDSA) {
    const char* const curve = gnutls_ecc_curve_get_name(curve_of(leaf).value_or(GNUTLS_ECC_CURVE_INVALID));
    text += curve == nullptr ? "" : std::string(" on ") + curve;
  }
  return text + (bits > 0 ? " with " + std::to_string(bits) + " bits" : "");
}

bool is_for(gnutls_x509_crt_t leaf, std::string_view purpose) {
  constexpr std::string_view kAny = "2.5.29.37.0";
  for (unsigned i = 0;; ++i) {
    std::array<char, 128> oid{};
    std::size_t size = oid.size();
    const int rv = gnutls_x509_crt_get_key_purpose_oid(leaf, i, oid.data(), &size, nullptr);
    if (rv == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
      return i == 0;  // RFC 5280 §4.2.1.12: without the extension every purpose is allowed
    }
    const std::string_view text(oid.data());
    if (rv == GNUTLS_E_SUCCESS && (text == purpose || text == kAny)) {
      return true;
    }
    if (rv != GNUTLS_E_SUCCESS && rv != GNUTLS_E_SHORT_MEMORY_BUFFER) {
      return false;
    }
  }
}

void add_once(std::vector<std::string>& names, std::string name) {
  if (!name.empty() && std::ranges::find(names, name) == names.end()) {
    names.push_back(std::move(name));
  }
}

std::string common_name(gnutls_x509_crt_t certificate) {
  std::array<char, 256> name{};
  std::size_t size = name.size();
  if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name.data(), &size) !=
      GNUTLS_E_SUCCESS) {
    return {};
  }
  return {name.data(), size};
}

}  // namespace

base::Result<std::vector<Certificate>> read_chain(std::span<const std::uint8_t> pem,
                                                  const std::string& source, const std::string& expected) {
  gnutls_x509_crt_t* list = nullptr;
  unsigned count = 0;
  const gnutls_datum_t data = datum(pem);
  const int rv = gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0);
  if (rv < 0) {
    const bool is_key = !contains(pem, "-----BEGIN CERTIFICATE") && contains(pem, "PRIVATE KEY-----");
    return refused(source + (is_key ? ": holds a private key, expected " + expected
                                    : ": expected " + expected + ": " + gnutls_strerror(rv)));
  }
  std::vector<Certificate> chain;
  const std::unique_ptr<gnutls_x509_crt_t, FreeList> owned(list);
  chain.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    chain.emplace_back(list[i]);
  }
  return chain;
}

base::Result<X509Key> read_key(std::span<const std::uint8_t> pem, const std::string& source) {
  if (!contains(pem, "PRIVATE KEY-----")) {
    return refused(source + ": holds no private key, expected an unencrypted PEM private key");
  }
  if (contains(pem, "ENCRYPTED")) {
    return refused(source + ": the private key is encrypted, expected an unencrypted PEM private key");
  }
  gnutls_x509_privkey_t made = nullptr;
  if (const int rv = gnutls_x509_privkey_init(&made); rv != GNUTLS_E_SUCCESS) {
    return Error{ErrorKind::kOutOfMemory, std::string("cannot create a key: ") + gnutls_strerror(rv)};
  }
  X509Key key(made);
  gnutls_x509_privkey_set_pin_function(made, &refuse_pin, nullptr);
  const gnutls_datum_t data = datum(pem);
  if (const int rv = gnutls_x509_privkey_import2(made, &data, GNUTLS_X509_FMT_PEM, nullptr, 0);
      rv != GNUTLS_E_SUCCESS) {
    return refused(source + ": expected an unencrypted PEM private key: " + gnutls_strerror(rv));
  }
  return key;
}

std::span<const gnutls_sign_algorithm_t> schemes_of(gnutls_x509_crt_t leaf) {
  unsigned bits = 0;
  switch (gnutls_x509_crt_get_pk_algorithm(leaf, &bits)) {
    case GNUTLS_PK_RSA:
      return bits < kLeastRsaBits ? std::span<const gnutls_sign_algorithm_t>() : kRsaSchemes;
    case GNUTLS_PK_RSA_PSS:
      return bits < kLeastRsaBits ? std::span<const gnutls_sign_algorithm_t>() : kRsaPssSchemes;
    case GNUTLS_PK_EDDSA_ED25519:
      return kEd25519Schemes;
    case GNUTLS_PK_EDDSA_ED448:
      return kEd448Schemes;
    case GNUTLS_PK_ECDSA:
      break;
    default:
      return {};
  }
  switch (curve_of(leaf).value_or(GNUTLS_ECC_CURVE_INVALID)) {
    case GNUTLS_ECC_CURVE_SECP256R1:
      return kP256Schemes;
    case GNUTLS_ECC_CURVE_SECP384R1:
      return kP384Schemes;
    case GNUTLS_ECC_CURVE_SECP521R1:
      return kP521Schemes;
    default:
      return {};
  }
}

base::Status check_order(std::span<const Certificate> chain) {
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const bool is_named = gnutls_x509_crt_check_issuer(chain[i - 1].get(), chain[i].get()) != 0;
    const std::string_view why = is_named ? why_not_signed(chain[i - 1].get(), chain[i].get())
                                          : "is not the certificate of its issuer";
    if (!why.empty()) {
      return refused(place(chain, i) + " follows " + place(chain, i - 1) + ", whose issuer is " +
                     issuer_of(chain[i - 1].get()) + ", but " + std::string(why) +
                     "; expected the leaf first, then the issuer of each certificate behind it");
    }
  }
  return {};
}

base::Status check_purpose(gnutls_x509_crt_t leaf, CertificateUse use) {
  if (schemes_of(leaf).empty()) {
    return refused("the certificate's key is " + describe_key(leaf) + ", " + std::string(kExpectedKey));
  }
  unsigned usage = 0;
  if (gnutls_x509_crt_get_key_usage(leaf, &usage, nullptr) == GNUTLS_E_SUCCESS &&
      (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0) {
    return refused("the key usage of the certificate is without digitalSignature, which TLS 1.3 requires");
  }
  if (use == CertificateUse::kServer && !is_for(leaf, GNUTLS_KP_TLS_WWW_SERVER)) {
    return refused("the extended key usage of the certificate is without serverAuth, which clients expect");
  }
  if (use == CertificateUse::kClient && !is_for(leaf, GNUTLS_KP_TLS_WWW_CLIENT)) {
    return refused("the extended key usage of the certificate is without clientAuth, which servers expect");
  }
  return {};
}

base::Status check_begun(std::span<const Certificate> chain, std::int64_t now) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto begins = static_cast<std::int64_t>(gnutls_x509_crt_get_activation_time(chain[i].get()));
    if (begins > now) {
      return refused(place(chain, i) + " is not valid before " + base::utc_text(begins) + ", now it is " +
                     base::utc_text(now));
    }
  }
  return {};
}

std::vector<std::string> dns_names(gnutls_x509_crt_t leaf) {
  std::vector<std::string> names;
  for (unsigned i = 0;; ++i) {
    std::array<char, 256> name{};
    std::size_t size = name.size();
    const int rv = gnutls_x509_crt_get_subject_alt_name(leaf, i, name.data(), &size, nullptr);
    if (rv == GNUTLS_SAN_DNSNAME) {
      add_once(names, normalized_server_name({name.data(), size}));
    } else if (rv == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
      if (i == 0) {
        add_once(names, normalized_server_name(common_name(leaf)));
      }
      return names;
    } else if (rv < 0 && rv != GNUTLS_E_SHORT_MEMORY_BUFFER) {
      return names;
    }
  }
}

CertificateFacts facts_of_certificate(gnutls_x509_crt_t certificate) {
  return {.not_before = static_cast<std::int64_t>(gnutls_x509_crt_get_activation_time(certificate)),
          .not_after = static_cast<std::int64_t>(gnutls_x509_crt_get_expiration_time(certificate)),
          .serial = serial_of(certificate),
          .names = dns_names(certificate)};
}

std::string serial_of(gnutls_x509_crt_t certificate) {
  std::array<std::uint8_t, 64> bytes{};
  std::size_t size = bytes.size();
  if (gnutls_x509_crt_get_serial(certificate, bytes.data(), &size) != GNUTLS_E_SUCCESS) {
    return {};
  }
  return base::hexadecimal(std::span(bytes).first(size));
}

}  // namespace knul::quic
