// Handshake signatures by OpenSSL's libcrypto, for keys that it is faster with than GnuTLS;
// docs/decisions/0017.
#pragma once

#include "quic/crypto/gnutls_owners.hpp"

namespace knul::quic {

// True if this library was built with OpenSSL.
[[nodiscard]] bool has_openssl();

// Returns new credentials with the certificates of `credentials` and a key that signs by OpenSSL: ECDSA on
// P-256, or RSA-PSS with an RSA key. Null for every other key, where OpenSSL gains nothing, and when OpenSSL
// fails; the given credentials then serve unchanged. The caller keeps `credentials` in any case.
// Thread: any; sessions of several threads may sign with the result at once.
[[nodiscard]] Credentials sign_by_openssl(gnutls_certificate_credentials_t credentials);

}  // namespace knul::quic
