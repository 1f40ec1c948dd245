#include "quic/connection/ending.hpp"

#include <algorithm>
#include <new>

namespace knul::quic {

// A connection must end even without memory for its reason.
bool Ending::end(CloseCause::Source source, std::uint64_t code, std::string_view reason) noexcept {
  if (has_ended()) {
    return false;
  }
  cause_ = CloseCause{source, code, {}};
  try {
    cause_->reason = reason;
  } catch (const std::bad_alloc&) {
    cause_->reason.clear();
  }
  return true;
}

bool Ending::end_by_peer(const ngtcp2_ccerr& error) noexcept {
  const bool is_application = error.type == NGTCP2_CCERR_TYPE_APPLICATION;
  return end(is_application ? CloseCause::Source::kPeerApplication : CloseCause::Source::kPeerTransport,
             error.error_code, {reinterpret_cast<const char*>(error.reason), error.reasonlen});
}

bool Ending::end_by_application(CloseCause::Source source, std::uint64_t code,
                                std::string_view reason) noexcept {
  constexpr std::size_t kReasonBytes = 256;  // a longer one would not fit beside the other frames of a packet
  constexpr std::uint64_t kLargestCode = (std::uint64_t{1} << 62) - 1;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_application_error(&error, std::min(code, kLargestCode), nullptr, 0);
  return end_locally(error, source, reason.substr(0, kReasonBytes));
}

bool Ending::abort(std::uint64_t transport_code, std::string_view reason) noexcept {
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_transport_error(&error, transport_code, nullptr, 0);
  return end_locally(error, CloseCause::Source::kLocalTransport, reason);
}

bool Ending::end_locally(const ngtcp2_ccerr& error, CloseCause::Source source,
                         std::string_view reason) noexcept {
  if (!end(source, error.error_code, reason)) {
    return false;
  }
  close_error_ = error;
  close_error_->reason = reinterpret_cast<const std::uint8_t*>(cause_->reason.data());
  close_error_->reasonlen = cause_->reason.size();
  return true;
}

bool Ending::fail_tls(std::uint8_t alert, std::string_view reason) noexcept {
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_tls_alert(&error, alert, nullptr, 0);
  if (!end(CloseCause::Source::kLocalTransport, error.error_code, reason)) {
    return false;
  }
  close_error_ = error;
  return true;
}

bool Ending::fail(int library_error) noexcept {
  if (library_error == NGTCP2_ERR_IDLE_CLOSE) {
    return end(CloseCause::Source::kIdleTimeout, 0, "idle timeout");
  }
  if (library_error == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
    return end(CloseCause::Source::kHandshakeTimeout, 0, "handshake timeout");
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_liberr(&error, library_error, nullptr, 0);
  if (!end(CloseCause::Source::kLocalTransport, error.error_code, ngtcp2_strerror(library_error))) {
    return false;
  }
  close_error_ = error;
  return true;
}

}  // namespace knul::quic
