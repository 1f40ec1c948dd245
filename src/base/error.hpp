// The error value of all layers. Code branches on the kind. The message is for people: it names the value,
// its source and the expected value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace knul::base {

// Only server/error_codes.cpp maps kinds to ABI codes.
enum class ErrorKind : std::uint8_t {
  kInternal,
  kInvalidArgument,
  kWrongState,
  kCredentials,
  kNetwork,
  kQuota,
  kConcurrencyLimit,
  kOutOfMemory,
  kUnsupported,
};

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

}  // namespace knul::base
