// Counts the refusals of client certificates by their reason.
#pragma once

#include "quic/crypto/client_certificates.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

inline stats::Counter& refusals_of(CertificateVerdict verdict, stats::WorkerCounters& counters) {
  switch (verdict) {
    case CertificateVerdict::kMissing:
      return counters.client_certificates_refused_missing;
    case CertificateVerdict::kMalformed:
      return counters.client_certificates_refused_malformed;
    case CertificateVerdict::kTooLarge:
      return counters.client_certificates_refused_too_large;
    case CertificateVerdict::kKey:
      return counters.client_certificates_refused_key;
    case CertificateVerdict::kUnknownAuthority:
      return counters.client_certificates_refused_unknown_authority;
    case CertificateVerdict::kExpired:
      return counters.client_certificates_refused_expired;
    case CertificateVerdict::kNotYetValid:
      return counters.client_certificates_refused_not_yet_valid;
    case CertificateVerdict::kPurpose:
      return counters.client_certificates_refused_purpose;
    case CertificateVerdict::kSignature:
      return counters.client_certificates_refused_signature;
    case CertificateVerdict::kNone:
    case CertificateVerdict::kOther:
      break;
  }
  return counters.client_certificates_refused_other;
}

}  // namespace knul::quic
