// Application error codes (RFC 9000 §20.2) of the services, outside the range of krepis::LibraryCode.
// docs/knul-command.md lists them.
#pragma once

#include <cstdint>

namespace knul::service {

enum class ServiceCode : std::uint64_t {
  // perf: the stream ended before the 8 bytes of the request.
  kPerfShortRequest = 0x5046'0001,
  // hq: 0x4851 ("HQ") and an HTTP status.
  kHqBadRequest = 0x4851'0190,      // 400: not "GET /path", or a control character in the path
  kHqForbidden = 0x4851'0193,       // 403: outside the root, or not readable
  kHqNotFound = 0x4851'0194,        // 404: no such file, or not a regular file
  kHqRequestTooLong = 0x4851'019e,  // 414: more than 4,096 bytes without a line end
  kHqReadFailed = 0x4851'01f4,      // 500: the file could not be read, or became shorter
  kHqTooManyFiles = 0x4851'01f7,    // 503: the process has no descriptor left, try again
};

[[nodiscard]] constexpr std::uint64_t to_wire(ServiceCode code) { return static_cast<std::uint64_t>(code); }

}  // namespace knul::service
