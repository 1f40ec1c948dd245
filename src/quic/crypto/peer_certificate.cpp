#include "quic/crypto/peer_certificate.hpp"

#include <arpa/inet.h>
#include <gnutls/x509-ext.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "quic/crypto/certificate_checks.hpp"

namespace knul::quic {
namespace {

// The text of a distinguished name, which GnuTLS allocated. Nullopt: `result` is an error, or it is too long.
std::optional<std::string> take_name(int result, gnutls_datum_t& text) {
  if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
    return std::string();  // RFC 5280 §4.1.2.6: a subject may be empty beside alternative names
  }
  if (result != GNUTLS_E_SUCCESS) {
    return std::nullopt;
  }
  const std::unique_ptr<unsigned char, decltype(gnutls_free)> owned(text.data, gnutls_free);
  if (text.size > kMostSubjectBytes) {
    return std::nullopt;
  }
  return std::string(reinterpret_cast<const char*>(text.data), text.size);
}

std::string address_text(std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v4 = bytes.size() == sizeof(in_addr);
  if (!is_v4 && bytes.size() != sizeof(in6_addr)) {
    return {};
  }
  inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

// Adds names until the bounds are reached.
class NameCollector {
 public:
  explicit NameCollector(PeerCertificate& into) : into_(into) {}

  void add(unsigned type, std::string_view name) {
    if (std::vector<std::string>* const list = list_of(type)) {
      put(*list, type == GNUTLS_SAN_IPADDRESS ? address_text(name) : std::string(name));
    }
  }
  void omit() { into_.has_omitted_names = true; }

 private:
  std::vector<std::string>* list_of(unsigned type) {
    switch (type) {
      case GNUTLS_SAN_DNSNAME:
        return &into_.dns_names;
      case GNUTLS_SAN_URI:
        return &into_.uris;
      case GNUTLS_SAN_IPADDRESS:
        return &into_.ip_addresses;
      case GNUTLS_SAN_RFC822NAME:
        return &into_.emails;
      default:
        return nullptr;
    }
  }
  void put(std::vector<std::string>& list, std::string name) {
    const bool is_printable = std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
    if (name.empty() || !is_printable || count_ == kMostNames || bytes_ + name.size() > kMostNameBytes) {
      return omit();
    }
    ++count_;
    bytes_ += name.size();
    list.push_back(std::move(name));
  }

  PeerCertificate& into_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

using AlternativeNames = std::unique_ptr<gnutls_subject_alt_names_st, Free<gnutls_subject_alt_names_deinit>>;

// Not gnutls_x509_crt_get_subject_alt_name(), which parses the whole extension for each name.
AlternativeNames read_alternative_names(gnutls_x509_crt_t certificate) {
  gnutls_datum_t extension{};
  if (gnutls_x509_crt_get_extension_by_oid2(certificate, GNUTLS_X509EXT_OID_SAN, 0, &extension, nullptr) !=
      0) {
    return nullptr;
  }
  const std::unique_ptr<unsigned char, decltype(gnutls_free)> owned(extension.data, gnutls_free);
  gnutls_subject_alt_names_t names = nullptr;
  if (gnutls_subject_alt_names_init(&names) != 0) {
    return nullptr;
  }
  AlternativeNames made(names);
  return gnutls_x509_ext_import_subject_alt_names(&extension, names, 0) == 0 ? std::move(made) : nullptr;
}

void collect_names(gnutls_x509_crt_t certificate, PeerCertificate& into) {
  const AlternativeNames names = read_alternative_names(certificate);
  NameCollector collector(into);
  unsigned type = 0;
  gnutls_datum_t name{};
  for (unsigned i = 0;
       names != nullptr && gnutls_subject_alt_names_get(names.get(), i, &type, &name, nullptr) == 0; ++i) {
    if (i == kMostNames) {
      return collector.omit();
    }
    collector.add(type, {reinterpret_cast<const char*>(name.data), name.size});
  }
}

// Writes numbers as they lie in memory, and texts with a length of two bytes.
class Writer {
 public:
  template <class T>
  void number(T value) {
    raw(&value, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint16_t>(value.size()));
    raw(value.data(), value.size());
  }
  void list(const std::vector<std::string>& values) {
    number(static_cast<std::uint16_t>(values.size()));
    std::ranges::for_each(values, [this](const std::string& value) { text(value); });
  }
  void raw(const void* data, std::size_t size) {
    const auto* const bytes = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

class Reader {
 public:
  explicit Reader(const std::uint8_t* at) : at_(at) {}
  template <class T>
  T number() {
    T value{};
    raw(&value, sizeof value);
    return value;
  }
  std::string text() {
    std::string value(number<std::uint16_t>(), '\0');
    raw(value.data(), value.size());
    return value;
  }
  std::vector<std::string> list() {
    std::vector<std::string> values(number<std::uint16_t>());
    std::ranges::generate(values, [this] { return text(); });
    return values;
  }
  void raw(void* to, std::size_t size) {
    std::memcpy(to, at_, size);
    at_ += size;
  }

 private:
  const std::uint8_t* at_;
};

}  // namespace

std::optional<PeerCertificate> describe_certificate(gnutls_x509_crt_t certificate) {
  PeerCertificate facts;
  gnutls_datum_t text{};
  const int of_subject = gnutls_x509_crt_get_dn3(certificate, &text, 0);
  auto subject = take_name(of_subject, text);
  const int of_issuer = gnutls_x509_crt_get_issuer_dn3(certificate, &text, 0);
  auto issuer = take_name(of_issuer, text);
  std::size_t size = facts.sha256.size();
  if (!subject || !issuer ||
      gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, facts.sha256.data(), &size) != 0) {
    return std::nullopt;
  }
  facts.subject = *std::move(subject);
  facts.issuer = *std::move(issuer);
  facts.serial = serial_of(certificate);
  facts.not_before = static_cast<std::int64_t>(gnutls_x509_crt_get_activation_time(certificate));
  facts.not_after = static_cast<std::int64_t>(gnutls_x509_crt_get_expiration_time(certificate));
  collect_names(certificate, facts);
  return facts;
}

PackedCertificate::PackedCertificate(const PeerCertificate& certificate) {
  Writer writer;
  writer.number(std::uint32_t{0});  // the size, set below
  writer.raw(certificate.sha256.data(), certificate.sha256.size());
  writer.number(certificate.not_before);
  writer.number(certificate.not_after);
  writer.number(certificate.has_omitted_names);
  writer.number(certificate.is_verified);
  writer.text(certificate.subject);
  writer.text(certificate.issuer);
  writer.text(certificate.serial);
  writer.list(certificate.dns_names);
  writer.list(certificate.uris);
  writer.list(certificate.ip_addresses);
  writer.list(certificate.emails);
  const auto size = static_cast<std::uint32_t>(writer.bytes().size());
  bytes_ = std::make_unique<std::uint8_t[]>(size);
  std::ranges::copy(writer.bytes(), bytes_.get());
  std::memcpy(bytes_.get(), &size, sizeof size);
}

PeerCertificate PackedCertificate::unpack() const {
  Reader reader(bytes_.get() + sizeof(std::uint32_t));
  PeerCertificate certificate;
  reader.raw(certificate.sha256.data(), certificate.sha256.size());
  certificate.not_before = reader.number<std::int64_t>();
  certificate.not_after = reader.number<std::int64_t>();
  certificate.has_omitted_names = reader.number<bool>();
  certificate.is_verified = reader.number<bool>();
  certificate.subject = reader.text();
  certificate.issuer = reader.text();
  certificate.serial = reader.text();
  certificate.dns_names = reader.list();
  certificate.uris = reader.list();
  certificate.ip_addresses = reader.list();
  certificate.emails = reader.list();
  return certificate;
}

std::size_t PackedCertificate::held_bytes() const {
  return bytes_ == nullptr ? 0 : Reader(bytes_.get()).number<std::uint32_t>();
}

}  // namespace knul::quic
