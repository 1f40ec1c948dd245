#include "quic/crypto/library_versions.hpp"

#include <absl/base/config.h>
#include <gnu/libc-version.h>
#include <gnutls/gnutls.h>
#include <nettle/version.h>
#include <ngtcp2/ngtcp2.h>
#include <zstd.h>

#ifdef KNUL_HAS_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#ifdef KNUL_HAS_OPENSSL
#include <openssl/crypto.h>
#endif

namespace knul::quic {
namespace {

std::string abseil_version() {
#ifdef ABSL_LTS_RELEASE_VERSION
  return std::to_string(ABSL_LTS_RELEASE_VERSION) + "." + std::to_string(ABSL_LTS_RELEASE_PATCH_LEVEL);
#else
  return "unreleased";
#endif
}

}  // namespace

const char* quic_library_version() { return ngtcp2_version(0)->version_str; }

const char* tls_library_version() { return gnutls_check_version(nullptr); }

std::vector<LibraryVersion> library_list() {
  std::vector<LibraryVersion> list = {
      {"ngtcp2", quic_library_version()},
      {"GnuTLS", tls_library_version()},
      {"Nettle", std::to_string(nettle_version_major()) + "." + std::to_string(nettle_version_minor())}};
#ifdef KNUL_HAS_OPENSSL
  list.push_back({"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)});
#endif
#ifdef KNUL_ZLIB_VERSION
  list.push_back({"zlib", KNUL_ZLIB_VERSION});
#endif
#ifdef KNUL_HAS_IPSEC_MB
  list.push_back({"intel-ipsec-mb", imb_get_version_str()});
#endif
  list.push_back({"Zstandard", ZSTD_versionString()});
  list.push_back({"abseil", abseil_version()});
  list.push_back({"libstdc++", std::to_string(_GLIBCXX_RELEASE)});
  list.push_back({"glibc", gnu_get_libc_version()});
  return list;
}

std::string library_versions(std::span<const LibraryVersion> libraries) {
  std::string text;
  for (const LibraryVersion& library : libraries) {
    text += (text.empty() ? "" : ", ") + library.name + " " + library.version;
  }
  return text;
}

}  // namespace knul::quic
