#include "quic/library_versions.hpp"

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>

namespace knul::quic {

const char* quic_library_version() { return ngtcp2_version(0)->version_str; }

const char* tls_library_version() { return gnutls_check_version(nullptr); }

}  // namespace knul::quic
