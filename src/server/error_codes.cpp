#include "server/error_codes.hpp"

#include <utility>

namespace knul::server {

using base::ErrorKind;
using krepis::ErrorCode;

ErrorCode error_code_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInternal:
    case ErrorKind::kCredentials:  // fixed since ABI 1.1.0
      return ErrorCode::kInternal;
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kUnsupported:  // this system does not support the request
      return ErrorCode::kInvalidRequest;
    case ErrorKind::kWrongState:
      return ErrorCode::kInvalidContext;
    case ErrorKind::kNetwork:
      return ErrorCode::kNetworkError;
    case ErrorKind::kQuota:
      return ErrorCode::kQuotaExceeded;
    case ErrorKind::kConcurrencyLimit:
      return ErrorCode::kConcurrencyLimitExceeded;
    case ErrorKind::kOutOfMemory:
      return ErrorCode::kOutOfMemory;
  }
  return ErrorCode::kInternal;
}

krepis::Error to_public(base::Error error) {
  return krepis::Error{error_code_of(error.kind), std::move(error.message)};
}

const char* error_name(std::uint32_t code) noexcept {
  switch (static_cast<ErrorCode>(code)) {
    case ErrorCode::kSuccess:
      return "Success";
    case ErrorCode::kInternal:
      return "Internal";
    case ErrorCode::kInvalidContext:
      return "InvalidContext";
    case ErrorCode::kAbiMismatch:
      return "AbiMismatch";
    case ErrorCode::kMemoryAlignment:
      return "MemoryAlignment";
    case ErrorCode::kInvalidPointer:
      return "InvalidPointer";
    case ErrorCode::kTimeout:
      return "Timeout";
    case ErrorCode::kQuotaExceeded:
      return "QuotaExceeded";
    case ErrorCode::kOutOfMemory:
      return "OutOfMemory";
    case ErrorCode::kConcurrencyLimitExceeded:
      return "ConcurrencyLimitExceeded";
    case ErrorCode::kHandshakeFailed:
      return "HandshakeFailed";
    case ErrorCode::kInvalidRequest:
      return "InvalidRequest";
    case ErrorCode::kVersionMismatch:
      return "VersionMismatch";
    case ErrorCode::kNetworkError:
      return "NetworkError";
    case ErrorCode::kConnectionFailed:
      return "ConnectionFailed";
  }
  return "Reserved";
}

}  // namespace knul::server
