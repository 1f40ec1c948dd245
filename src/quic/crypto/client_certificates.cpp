#include "quic/crypto/client_certificates.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "quic/crypto/certificate_checks.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;
using Verdict = CertificateVerdict;

struct VerdictFacts {
  Verdict verdict;
  std::uint8_t alert;
  std::string_view text;
};
constexpr auto kVerdicts = std::to_array<VerdictFacts>({
    {Verdict::kNone, 0, ""},
    {Verdict::kMissing, 116, "no client certificate, expected one"},
    {Verdict::kMalformed, 0, "the client certificate is malformed"},
    {Verdict::kTooLarge, 42, "the client certificate has too many issuers or too long a name"},
    {Verdict::kKey, 42, "the client certificate has a key or signature algorithm that is not accepted"},
    {Verdict::kUnknownAuthority, 48,
     "the client certificate is not issued by an authority of client_ca_path or client_ca_pem"},
    {Verdict::kExpired, 45, "the client certificate has expired"},
    {Verdict::kNotYetValid, 45, "the client certificate is not valid yet"},
    {Verdict::kPurpose, 43, "the client certificate is not for TLS clients (extended key usage clientAuth)"},
    {Verdict::kSignature, 0, "a signature of the client or in its certificate does not match"},
    {Verdict::kOther, 42, "the client certificate violates a constraint of its issuers"},
});
static_assert([] {
  for (std::size_t i = 0; i < kVerdicts.size(); ++i) {
    if (kVerdicts[i].verdict != static_cast<Verdict>(i)) {
      return false;
    }
  }
  return kVerdicts.size() == static_cast<std::size_t>(Verdict::kOther) + 1;
}());

const VerdictFacts& facts_of(Verdict verdict) { return kVerdicts[static_cast<std::size_t>(verdict)]; }

// By priority: the first reason of GnuTLS that applies. Without a trusted issuer no other reason is certain.
constexpr auto kReasons = std::to_array<std::pair<unsigned, Verdict>>({
    {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA, Verdict::kUnknownAuthority},
    {GNUTLS_CERT_SIGNATURE_FAILURE, Verdict::kSignature},
    {GNUTLS_CERT_EXPIRED, Verdict::kExpired},
    {GNUTLS_CERT_NOT_ACTIVATED, Verdict::kNotYetValid},
    {GNUTLS_CERT_PURPOSE_MISMATCH, Verdict::kPurpose},
    {GNUTLS_CERT_INSECURE_ALGORITHM, Verdict::kKey},
});

// Reads vectors: a big-endian length, then so many bytes. After a failure is_good() stays false.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool is_good() const { return is_good_; }
  [[nodiscard]] bool is_at_end() const { return rest_.empty() || !is_good_; }
  std::span<const std::uint8_t> take_vector(std::size_t length_bytes) {
    std::size_t length = 0;
    for (const std::uint8_t byte : take(length_bytes)) {
      length = length << 8 | byte;
    }
    return take(length);
  }

 private:
  std::span<const std::uint8_t> take(std::size_t count) {
    if (count > rest_.size()) {
      is_good_ = false;
      return {};
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  std::span<const std::uint8_t> rest_;
  bool is_good_ = true;
};

Certificate import_der(std::span<const std::uint8_t> der) {
  gnutls_x509_crt_t made = nullptr;
  if (gnutls_x509_crt_init(&made) != GNUTLS_E_SUCCESS) {
    return nullptr;
  }
  Certificate certificate(made);
  // GnuTLS takes a mutable pointer but only reads through it.
  const gnutls_datum_t data{const_cast<unsigned char*>(der.data()), static_cast<unsigned>(der.size())};
  return gnutls_x509_crt_import(made, &data, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS ? std::move(certificate)
                                                                                      : nullptr;
}

unsigned bits_of(const gnutls_datum_t& number) {
  const std::span<const unsigned char> bytes(number.data, number.size);
  const auto first = std::ranges::find_if(bytes, [](unsigned char byte) { return byte != 0; });
  return static_cast<unsigned>(bytes.end() - first) * 8;
}

// The cost of checking an RSA signature grows with the square of the modulus and with the exponent. A peer
// chooses both, and its key is not checked yet.
bool is_key_bounded(gnutls_x509_crt_t certificate) {
  gnutls_datum_t modulus{};
  gnutls_datum_t exponent{};
  if (gnutls_x509_crt_get_pk_rsa_raw(certificate, &modulus, &exponent) != GNUTLS_E_SUCCESS) {
    return true;  // not RSA
  }
  const bool is_bounded = bits_of(modulus) <= kMostKeyBits && bits_of(exponent) <= kMostExponentBits;
  gnutls_free(modulus.data);
  gnutls_free(exponent.data);
  return is_bounded;
}

Verdict examine(std::span<const std::uint8_t> der, bool is_leaf) {
  const Certificate certificate = import_der(der);
  if (certificate == nullptr) {
    return Verdict::kMalformed;
  }
  const bool is_usable =
      is_key_bounded(certificate.get()) && (!is_leaf || !schemes_of(certificate.get()).empty());
  return is_usable ? Verdict::kNone : Verdict::kKey;
}

Verdict verdict_of(unsigned status) {
  for (const auto& [flags, verdict] : kReasons) {
    if ((status & flags) != 0) {
      return verdict;
    }
  }
  return status == 0 ? Verdict::kNone : Verdict::kOther;
}

Verdict verify_chain(gnutls_session_t session) {
  std::string purpose = GNUTLS_KP_TLS_WWW_CLIENT;
  gnutls_typed_vdata_st rule{};
  rule.type = GNUTLS_DT_KEY_PURPOSE_OID;
  rule.data = reinterpret_cast<unsigned char*>(purpose.data());
  unsigned status = 0;
  const int rv = gnutls_certificate_verify_peers(session, &rule, 1, &status);
  return rv == GNUTLS_E_SUCCESS ? verdict_of(status) : Verdict::kOther;
}

}  // namespace

base::Result<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::load(
    std::span<const std::uint8_t> pem, const std::string& source) {
  auto certificates = read_chain(pem, source, "PEM certificates of authorities");
  if (!certificates) {
    return std::move(certificates).error();
  }
  if (certificates->empty()) {
    return Error{ErrorKind::kCredentials,
                 source + ": holds no certificate, expected PEM certificates of authorities"};
  }
  const std::shared_ptr<ClientAuthorities> made(new ClientAuthorities);
  made->certificates_ = *std::move(certificates);
  for (const Certificate& certificate : made->certificates_) {
    gnutls_datum_t name{};
    if (gnutls_x509_crt_get_raw_dn(certificate.get(), &name) == GNUTLS_E_SUCCESS) {
      made->name_bytes_ += name.size;
      gnutls_free(name.data);
    }
  }
  const auto first = std::ranges::min_element(made->certificates_, {}, [](const Certificate& certificate) {
    return gnutls_x509_crt_get_expiration_time(certificate.get());
  });
  made->facts_ = facts_of_certificate(first->get());
  return std::shared_ptr<const ClientAuthorities>(made);
}

base::Status ClientAuthorities::install(gnutls_certificate_credentials_t credentials) const {
  std::vector<gnutls_x509_crt_t> list;
  list.reserve(certificates_.size());
  std::ranges::for_each(certificates_, [&](const Certificate& one) { list.push_back(one.get()); });
  // GnuTLS copies the certificates.
  const int rv = gnutls_certificate_set_x509_trust(credentials, list.data(), static_cast<int>(list.size()));
  if (rv < 0) {
    return Error{ErrorKind::kInternal,
                 std::string("cannot use the authorities of client certificates: ") + gnutls_strerror(rv)};
  }
  gnutls_certificate_set_verify_limits(credentials, kMostKeyBits, kMostClientCertificates);
  return {};
}

std::uint8_t alert_of(Verdict verdict) { return facts_of(verdict).alert; }

std::string_view text_of(Verdict verdict) { return facts_of(verdict).text; }

int examine_certificate_message(std::span<const std::uint8_t> message, ClientAuth auth, Verdict& verdict) {
  MessageReader body(message);
  body.take_vector(1);  // certificate_request_context
  MessageReader list(body.take_vector(3));
  unsigned count = 0;
  verdict = Verdict::kNone;
  while (!list.is_at_end() && verdict == Verdict::kNone) {
    const auto der = list.take_vector(3);
    list.take_vector(2);  // extensions
    ++count;
    if (!list.is_good()) {
      break;
    }
    verdict = count > kMostClientCertificates ? Verdict::kTooLarge : examine(der, count == 1);
  }
  if (!body.is_good() || !body.is_at_end() || !list.is_good()) {
    verdict = Verdict::kMalformed;
    return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
  }
  if (count == 0 && auth == ClientAuth::kRequired) {
    verdict = Verdict::kMissing;
  }
  return verdict == Verdict::kNone ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

JudgedCertificate judge_client(gnutls_session_t session) {
  unsigned count = 0;
  if (gnutls_certificate_get_peers(session, &count) == nullptr || count == 0) {
    return {};
  }
  if (const Verdict verdict = verify_chain(session); verdict != Verdict::kNone) {
    return {verdict};
  }
  auto facts = peer_certificate_of(session);
  if (!facts) {
    return {Verdict::kTooLarge};
  }
  facts->is_verified = true;
  return {Verdict::kNone, PackedCertificate(*facts)};
}

std::optional<PeerCertificate> peer_certificate_of(gnutls_session_t session) {
  unsigned count = 0;
  const gnutls_datum_t* const peers = gnutls_certificate_get_peers(session, &count);
  const Certificate leaf = peers == nullptr || count == 0 ? nullptr : import_der({peers->data, peers->size});
  return leaf == nullptr ? std::nullopt : describe_certificate(leaf.get());
}

}  // namespace knul::quic
