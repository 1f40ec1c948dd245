// Handshakes signed by OpenSSL's libcrypto, where it is faster than GnuTLS; docs/decisions/0017.
#pragma once

#include <gnutls/gnutls.h>

namespace knul::quic {

// Whether OpenSSL was there when this library was built.
[[nodiscard]] bool has_openssl();

// Credentials with the certificates of `credentials`, whose key signs by OpenSSL: ECDSA on P-256 and RSA-PSS
// with an RSA key. Null where OpenSSL gains nothing, which is every other key, or cannot do it: then the ones
// given serve as they are, and the caller keeps them in any case. The caller frees the result by
// gnutls_certificate_free_credentials.
// Thread: any; sessions of several threads may sign with the result at once.
[[nodiscard]] gnutls_certificate_credentials_t sign_by_openssl(gnutls_certificate_credentials_t credentials);

}  // namespace knul::quic
