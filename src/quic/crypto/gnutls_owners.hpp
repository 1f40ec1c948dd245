// Owners of GnuTLS's objects.
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <memory>

namespace knul::quic {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Priority = std::unique_ptr<gnutls_priority_st, Free<gnutls_priority_deinit>>;
using Credentials =
    std::unique_ptr<gnutls_certificate_credentials_st, Free<gnutls_certificate_free_credentials>>;
using Certificate = std::unique_ptr<gnutls_x509_crt_int, Free<gnutls_x509_crt_deinit>>;
using X509Key = std::unique_ptr<gnutls_x509_privkey_int, Free<gnutls_x509_privkey_deinit>>;
using PrivateKey = std::unique_ptr<gnutls_privkey_st, Free<gnutls_privkey_deinit>>;

// For secrets that GnuTLS allocated.
inline void wipe_and_free(const gnutls_datum_t& secret) {
  if (secret.data != nullptr) {
    gnutls_memset(secret.data, 0, secret.size);
    gnutls_free(secret.data);
  }
}

}  // namespace knul::quic
