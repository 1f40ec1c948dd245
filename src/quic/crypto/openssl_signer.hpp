// Handshake signatures by OpenSSL's libcrypto, for keys that it is faster with than GnuTLS;
// docs/decisions/0017.
#pragma once

#include "quic/crypto/gnutls_owners.hpp"

namespace knul::quic {

// True if this library was built with OpenSSL.
[[nodiscard]] bool has_openssl();

// Returns a copy of `key` that makes the signatures of handshakes by OpenSSL: ECDSA on P-256, or RSA-PSS with
// an RSA key. Null for every other key, where OpenSSL gains nothing, and when OpenSSL fails.
// Thread: any; sessions of several threads may sign with the result at once.
[[nodiscard]] PrivateKey sign_by_openssl(gnutls_x509_privkey_t key);

}  // namespace knul::quic
