#include "cli/certificate.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <system_error>

namespace knul::cli {
namespace {

constexpr unsigned kSecondsPerDay = 86'400;
constexpr unsigned kClockTolerance = 3'600;
// RFC 1035 §2.3.4, and the upper bound of a common name (RFC 5280 appendix A.1).
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxCommonNameBytes = 64;
constexpr mode_t kCertificateMode = 0644;
constexpr mode_t kKeyMode = 0600;

struct FreeKey {
  void operator()(gnutls_x509_privkey_t key) const { gnutls_x509_privkey_deinit(key); }
};
struct FreeCertificate {
  void operator()(gnutls_x509_crt_t certificate) const { gnutls_x509_crt_deinit(certificate); }
};
using Key = std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, FreeKey>;
using Certificate = std::unique_ptr<std::remove_pointer_t<gnutls_x509_crt_t>, FreeCertificate>;

// Keeps the first error of several GnuTLS calls. They return negative numbers for errors.
class Calls {
 public:
  void operator()(int result) {
    if (first_error_ == 0 && result < 0) {
      first_error_ = result;
    }
  }
  [[nodiscard]] bool is_good() const { return first_error_ == 0; }
  [[nodiscard]] Failure failure() const {
    return run_failure(std::string("certificate: ") + gnutls_strerror(first_error_));
  }

 private:
  int first_error_ = 0;
};

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

bool is_label(std::string_view label) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= kMaxLabelBytes && std::ranges::all_of(label, is_allowed) &&
         !label.starts_with('-') && !label.ends_with('-');
}

// A name of digits and dots is a mistyped address.
bool looks_like_ipv4(std::string_view name) {
  return name.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_dns_name(std::string_view name) {
  if (name.size() > kMaxNameBytes || looks_like_ipv4(name)) {
    return false;
  }
  if (name.starts_with("*.")) {
    name.remove_prefix(2);
  }
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    name.remove_prefix(dot + 1);
  }
}

void add_host(Calls& call, gnutls_x509_crt_t certificate, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  unsigned size = 0;
  if (::inet_pton(AF_INET, host.c_str(), address.data()) == 1) {
    size = sizeof(in_addr);
  } else if (::inet_pton(AF_INET6, host.c_str(), address.data()) == 1) {
    size = sizeof(in6_addr);
  }
  if (size > 0) {
    call(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address.data(), size,
                                              GNUTLS_FSAN_APPEND));
  } else {
    call(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, host.data(),
                                              static_cast<unsigned>(host.size()), GNUTLS_FSAN_APPEND));
  }
}

void describe(Calls& call, gnutls_x509_crt_t certificate, const CertificateRequest& request) {
  const std::time_t now = std::time(nullptr);
  std::array<unsigned char, 16> serial{};
  call(gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size()));
  serial[0] &= 0x7f;  // RFC 5280 §4.1.2.2: positive
  serial[0] |= 0x01;
  call(gnutls_x509_crt_set_version(certificate, 3));
  call(gnutls_x509_crt_set_serial(certificate, serial.data(), serial.size()));
  call(gnutls_x509_crt_set_activation_time(certificate, now - kClockTolerance));
  call(gnutls_x509_crt_set_expiration_time(certificate, now + std::time_t{request.days} * kSecondsPerDay));
  const std::string& name = request.kind == CertificateKind::kServer ? request.hosts.front() : request.name;
  // Clients verify the alternative names, so this name may differ from a host that is too long for it.
  const std::string common_name = name.size() <= kMaxCommonNameBytes ? name : "knul";
  call(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name.data(),
                                     static_cast<unsigned>(common_name.size())));
  for (const std::string& host : request.hosts) {
    add_host(call, certificate, host);
  }
  const bool is_authority = request.kind == CertificateKind::kAuthority;
  call(gnutls_x509_crt_set_basic_constraints(certificate, is_authority ? 1 : 0, -1));
  if (is_authority) {
    call(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    return;
  }
  // The certificate has no key usage: BoringSSL accepts a self-signed certificate as its own issuer only
  // without key usage or with keyCertSign. It is no authority: rustls accepts no server certificate with
  // CA:TRUE.
  const char* const purpose =
      request.kind == CertificateKind::kServer ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
  call(gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0));
}

// Copies and frees the memory that a GnuTLS export function allocated.
std::string take(gnutls_datum_t& datum) {
  std::string text(reinterpret_cast<const char*>(datum.data), datum.size);
  gnutls_free(datum.data);
  return text;
}

// The authority that signs a certificate.
struct Issuer {
  Certificate certificate;
  Key key;
};

Outcome<Issuer> load_issuer(const PemPair& pair) {
  const auto datum = [](const std::string& text) {
    // GnuTLS takes a mutable pointer but only reads through it.
    return gnutls_datum_t{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
                          static_cast<unsigned>(text.size())};
  };
  gnutls_x509_crt_t certificate = nullptr;
  gnutls_x509_privkey_t key = nullptr;
  Calls call;
  call(gnutls_x509_crt_init(&certificate));
  call(gnutls_x509_privkey_init(&key));
  Issuer issuer{Certificate(certificate), Key(key)};
  if (!call.is_good()) {
    return call.failure();
  }
  const gnutls_datum_t certificate_text = datum(pair.certificate);
  const gnutls_datum_t key_text = datum(pair.key);
  call(gnutls_x509_crt_import(certificate, &certificate_text, GNUTLS_X509_FMT_PEM));
  call(gnutls_x509_privkey_import(key, &key_text, GNUTLS_X509_FMT_PEM));
  if (!call.is_good() || gnutls_x509_crt_get_ca_status(certificate, nullptr) <= 0) {
    return usage_failure("the issuer is not an authority, expected a folder of knul cert --authority");
  }
  return issuer;
}

Outcome<void> check_request(const CertificateRequest& request) {
  for (const std::string& host : request.hosts) {
    if (auto checked = check_certificate_host(host); !checked) {
      return checked;
    }
  }
  const bool is_named = !request.name.empty() && request.name.size() <= kMaxCommonNameBytes;
  if (request.kind != CertificateKind::kServer && !is_named) {
    return usage_failure("the name is " + std::to_string(request.name.size()) +
                         " bytes long, expected 1 to 64");
  }
  return {};
}

Outcome<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || text.empty()) {
    return usage_failure("\"" + path.string() + "\": unreadable or empty");
  }
  return text;
}

// Writes a temporary file beside `path` and renames it, so that no reader sees a partial file.
Outcome<void> write_file(const std::string& path, const std::string& content, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    return usage_failure("\"" + path + "\": " + std::strerror(errno));
  }
  const bool is_written =
      ::fchmod(file, mode) == 0 &&
      ::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      ::fsync(file) == 0;
  const int write_error = errno;
  ::close(file);
  if (is_written && ::rename(temporary.c_str(), path.c_str()) == 0) {
    return {};
  }
  const int error = is_written ? errno : write_error;
  ::unlink(temporary.c_str());
  return run_failure("\"" + path + "\": " + std::strerror(error));
}

}  // namespace

Outcome<void> check_certificate_host(const std::string& host) {
  if (is_address(host) || is_dns_name(host)) {
    return {};
  }
  std::string why = "\"" + host + "\" is neither a DNS name nor a numeric address";
  if (host.find('%') != std::string::npos) {
    why += "; a certificate address cannot have a scope";
  } else if (host.find_first_of(":[]/") != std::string::npos) {
    why += "; give it without brackets, port, scheme and path";
  }
  return usage_failure(why);
}

Outcome<PemPair> make_certificate(const CertificateRequest& request) {
  if (auto checked = check_request(request); !checked) {
    return std::move(checked).error();
  }
  Issuer issuer;
  if (request.issuer) {
    auto loaded = load_issuer(*request.issuer);
    if (!loaded) {
      return std::move(loaded).error();
    }
    issuer = *std::move(loaded);
  }
  gnutls_x509_privkey_t raw_key = nullptr;
  gnutls_x509_crt_t raw_certificate = nullptr;
  Calls call;
  call(gnutls_x509_privkey_init(&raw_key));
  const Key key(raw_key);
  call(gnutls_x509_crt_init(&raw_certificate));
  const Certificate certificate(raw_certificate);
  if (!call.is_good()) {
    return call.failure();
  }
  call(gnutls_x509_privkey_generate(key.get(), GNUTLS_PK_ECDSA,
                                    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
  describe(call, certificate.get(), request);
  call(gnutls_x509_crt_set_key(certificate.get(), key.get()));
  call(gnutls_x509_crt_sign2(certificate.get(), request.issuer ? issuer.certificate.get() : certificate.get(),
                             request.issuer ? issuer.key.get() : key.get(), GNUTLS_DIG_SHA256, 0));
  gnutls_datum_t certificate_text{};
  gnutls_datum_t key_text{};
  if (call.is_good()) {
    call(gnutls_x509_crt_export2(certificate.get(), GNUTLS_X509_FMT_PEM, &certificate_text));
    call(gnutls_x509_privkey_export2_pkcs8(key.get(), GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN,
                                           &key_text));
  }
  PemPair pair{take(certificate_text), take(key_text)};
  if (!call.is_good()) {
    return call.failure();
  }
  return pair;
}

Outcome<PemPair> read_certificate(const std::string& folder) {
  auto certificate = read_file(std::filesystem::path(folder) / "cert.pem");
  if (!certificate) {
    return std::move(certificate).error();
  }
  auto key = read_file(std::filesystem::path(folder) / "key.pem");
  if (!key) {
    return std::move(key).error();
  }
  return PemPair{*std::move(certificate), *std::move(key)};
}

Outcome<CertificateFiles> write_certificate(const PemPair& pair, const std::string& folder,
                                            Overwrite overwrite) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return usage_failure("\"" + folder + "\": " + error.message());
  }
  CertificateFiles files{(std::filesystem::path(folder) / "cert.pem").string(),
                         (std::filesystem::path(folder) / "key.pem").string()};
  for (const std::string& path : {files.certificate_path, files.key_path}) {
    if (overwrite == Overwrite::kRefuse && std::filesystem::exists(path, error)) {
      return usage_failure("\"" + path + "\" exists; --force replaces it");
    }
  }
  if (auto written = write_file(files.key_path, pair.key, kKeyMode); !written) {
    return std::move(written).error();
  }
  if (auto written = write_file(files.certificate_path, pair.certificate, kCertificateMode); !written) {
    return std::move(written).error();
  }
  return files;
}

}  // namespace knul::cli
