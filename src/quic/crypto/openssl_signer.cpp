// GnuTLS signs with a key whose operations are callbacks. OpenSSL makes the signatures of a handshake; the
// original GnuTLS key makes all others.
#include "quic/crypto/openssl_signer.hpp"

#ifndef KNUL_HAS_OPENSSL

namespace knul::quic {

bool has_openssl() { return false; }

PrivateKey sign_by_openssl(gnutls_x509_privkey_t) { return nullptr; }

}  // namespace knul::quic

#else

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <vector>

namespace knul::quic {
namespace {

using EvpKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free> >;
using EvpContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free> >;

// The signatures that a handshake requests from a key, RFC 8446 §4.2.3.
struct Scheme {
  gnutls_sign_algorithm_t algorithm;
  const EVP_MD* (*digest)();
};
constexpr std::array kP256Schemes{
    Scheme{GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, &EVP_sha256},
};
constexpr std::array kRsaSchemes{
    Scheme{GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, &EVP_sha256},
    Scheme{GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, &EVP_sha384},
    Scheme{GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, &EVP_sha512},
};

// The kinds of keys that OpenSSL signs with faster. In OpenSSL 3.0 P-384 is slower by a factor of seven,
// P-521 and Ed25519 by a fifth.
struct KeyKind {
  gnutls_pk_algorithm_t algorithm = GNUTLS_PK_UNKNOWN;
  unsigned bits = 0;
  int evp_type = EVP_PKEY_NONE;
  std::span<const Scheme> schemes;
};

KeyKind kind_of(gnutls_x509_privkey_t key) {
  KeyKind kind;
  kind.algorithm = static_cast<gnutls_pk_algorithm_t>(gnutls_x509_privkey_get_pk_algorithm2(key, &kind.bits));
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  if (kind.algorithm == GNUTLS_PK_RSA) {
    kind.evp_type = EVP_PKEY_RSA;
    kind.schemes = kRsaSchemes;
  } else if (kind.algorithm == GNUTLS_PK_ECDSA &&
             gnutls_x509_privkey_export_ecc_raw(key, &curve, nullptr, nullptr, nullptr) == 0 &&
             curve == GNUTLS_ECC_CURVE_SECP256R1) {
    kind.evp_type = EVP_PKEY_EC;
    kind.schemes = kP256Schemes;
  }
  return kind;
}

EvpKey to_openssl(gnutls_x509_privkey_t key, int evp_type) {
  gnutls_datum_t der{};
  if (gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_DER, &der) != GNUTLS_E_SUCCESS) {
    return nullptr;
  }
  const unsigned char* at = der.data;
  EvpKey made(d2i_PrivateKey(evp_type, nullptr, &at, static_cast<long>(der.size)));
  wipe_and_free(der);
  return made;
}

EvpContext make_context(EVP_PKEY* key, const Scheme& scheme) {
  EvpContext context(EVP_PKEY_CTX_new(key, nullptr));
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), scheme.digest()) != 1) {
    return nullptr;
  }
  const bool is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  if (is_rsa && (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return nullptr;
  }
  return context;
}

// Thread: any after creation: every signature copies a context that never changes.
class OpensslSigner {
 public:
  // Null if OpenSSL cannot use the key.
  static std::unique_ptr<OpensslSigner> create(gnutls_x509_privkey_t key, const KeyKind& kind) {
    auto made = std::unique_ptr<OpensslSigner>(new OpensslSigner(kind));
    made->key_ = to_openssl(key, kind.evp_type);
    gnutls_privkey_t own = nullptr;
    if (made->key_ == nullptr || gnutls_privkey_init(&own) != GNUTLS_E_SUCCESS) {
      return nullptr;
    }
    made->gnutls_key_.reset(own);
    if (gnutls_privkey_import_x509(own, key, GNUTLS_PRIVKEY_IMPORT_COPY) != GNUTLS_E_SUCCESS) {
      return nullptr;
    }
    for (const Scheme& scheme : kind.schemes) {
      made->contexts_.push_back(make_context(made->key_.get(), scheme));
      if (made->contexts_.back() == nullptr) {
        return nullptr;
      }
    }
    return made;
  }

  // The callbacks of gnutls_privkey_import_ext4; `user` is the signer.
  static int sign(gnutls_privkey_t /*key*/, gnutls_sign_algorithm_t algorithm, void* user, unsigned flags,
                  const gnutls_datum_t* digest, gnutls_datum_t* signature) {
    const auto& self = *static_cast<OpensslSigner*>(user);
    const auto scheme = std::ranges::find(self.kind_.schemes, algorithm, &Scheme::algorithm);
    if (scheme == self.kind_.schemes.end()) {
      return gnutls_privkey_sign_hash2(self.gnutls_key_.get(), algorithm, flags, digest, signature);
    }
    const auto index = static_cast<std::size_t>(scheme - self.kind_.schemes.begin());
    if (sign_by(*self.contexts_[index], *digest, *signature)) {
      return GNUTLS_E_SUCCESS;
    }
    ERR_clear_error();
    return GNUTLS_E_PK_SIGN_FAILED;
  }

  static int tell(gnutls_privkey_t /*key*/, unsigned flags, void* user) {
    const KeyKind& kind = static_cast<OpensslSigner*>(user)->kind_;
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) {
      return static_cast<int>(kind.algorithm);
    }
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) {
      return static_cast<int>(kind.bits);
    }
    if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0) {
      const auto algorithm = static_cast<gnutls_sign_algorithm_t>(GNUTLS_FLAGS_TO_SIGN_ALGO(flags));
      return static_cast<int>(gnutls_sign_supports_pk_algorithm(algorithm, kind.algorithm));
    }
    return -1;
  }

  static void destroy(gnutls_privkey_t /*key*/, void* user) {
    const std::unique_ptr<OpensslSigner> ended(static_cast<OpensslSigner*>(user));
  }

 private:
  explicit OpensslSigner(const KeyKind& kind) : kind_(kind) {}

  static bool sign_by(const EVP_PKEY_CTX& context, const gnutls_datum_t& digest, gnutls_datum_t& signature) {
    const EvpContext own(EVP_PKEY_CTX_dup(&context));
    std::size_t bytes = 0;
    if (own == nullptr || EVP_PKEY_sign(own.get(), nullptr, &bytes, digest.data, digest.size) != 1) {
      return false;
    }
    auto* const made = static_cast<unsigned char*>(gnutls_malloc(bytes));
    if (made == nullptr || EVP_PKEY_sign(own.get(), made, &bytes, digest.data, digest.size) != 1) {
      gnutls_free(made);
      return false;
    }
    signature = {made, static_cast<unsigned>(bytes)};
    return true;
  }

  KeyKind kind_;
  EvpKey key_;
  PrivateKey gnutls_key_;
  std::vector<EvpContext> contexts_;  // one for each scheme of kind_
};

// An external key that owns the signer and signs with it.
PrivateKey make_external(std::unique_ptr<OpensslSigner> signer) {
  gnutls_privkey_t key = nullptr;
  if (gnutls_privkey_init(&key) != GNUTLS_E_SUCCESS) {
    return nullptr;
  }
  PrivateKey made(key);
  if (gnutls_privkey_import_ext4(key, signer.get(), nullptr, &OpensslSigner::sign, nullptr,
                                 &OpensslSigner::destroy, &OpensslSigner::tell, 0) != GNUTLS_E_SUCCESS) {
    return nullptr;
  }
  (void)signer.release();  // the key's destroy() callback deletes it
  return made;
}

}  // namespace

bool has_openssl() { return true; }

PrivateKey sign_by_openssl(gnutls_x509_privkey_t key) {
  // NO_ATEXIT: workers may still sign during exit. NO_LOAD_CONFIG: this copy of OpenSSL is private to the
  // library.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  const KeyKind kind = kind_of(key);
  if (kind.schemes.empty()) {
    return nullptr;
  }
  auto signer = OpensslSigner::create(key, kind);
  PrivateKey external = signer == nullptr ? nullptr : make_external(std::move(signer));
  ERR_clear_error();
  return external;
}

}  // namespace knul::quic

#endif
