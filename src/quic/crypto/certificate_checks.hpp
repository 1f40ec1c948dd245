// What TLS 1.3 requires of the certificates of a server or client.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "quic/crypto/certificate_facts.hpp"
#include "quic/crypto/gnutls_owners.hpp"

namespace knul::quic {

// The certificates of a PEM text, in its order. Error: kCredentials; the text begins with `source` and names
// what was `expected`.
base::Result<std::vector<Certificate>> read_chain(std::span<const std::uint8_t> pem,
                                                  const std::string& source, const std::string& expected);
// The unencrypted private key of a PEM text. Error: as read_chain.
base::Result<X509Key> read_key(std::span<const std::uint8_t> pem, const std::string& source);

// The schemes (RFC 8446 §4.2.3) that the key of `leaf` can sign with. Empty: no client can accept it, because
// TLS 1.3 has no scheme for it, or because it is an RSA key of less than 2,048 bits.
[[nodiscard]] std::span<const gnutls_sign_algorithm_t> schemes_of(gnutls_x509_crt_t leaf);

// Checks that each certificate was issued by the next. Error, here and below: kCredentials, without a source.
base::Status check_order(std::span<const Certificate> chain);
// Checks that the leaf's key has a scheme of TLS 1.3, that its key usage allows digitalSignature, and that
// its extended key usage, if it has one, allows the use.
base::Status check_purpose(gnutls_x509_crt_t leaf, CertificateUse use);
// Checks that every certificate is valid from `now` or earlier, but not the end of the validity.
base::Status check_begun(std::span<const Certificate> chain, std::int64_t now);

// The DNS names of the subjectAltName extension, or the common name if the certificate has no such extension;
// normalized, each once.
[[nodiscard]] std::vector<std::string> dns_names(gnutls_x509_crt_t leaf);
[[nodiscard]] CertificateFacts facts_of_certificate(gnutls_x509_crt_t certificate);
// The serial number in hexadecimal.
[[nodiscard]] std::string serial_of(gnutls_x509_crt_t certificate);

}  // namespace knul::quic
