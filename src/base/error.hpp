// The error value that every layer returns. The kind is what code branches on; the message is for
// people and says what was wrong, where, and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace knul::base {

// Kinds are mapped to ABI codes in one place, server/error_codes.cpp.
enum class ErrorKind : std::uint8_t {
  kInternal,
  kInvalidArgument,
  kWrongState,
  kNotFound,
  kCredentials,
  kNetwork,
  kConnectionFailed,
  kHandshakeFailed,
  kQuota,
  kConcurrencyLimit,
  kOutOfMemory,
  kTimeout,
  kUnsupported,
};

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

}  // namespace knul::base
