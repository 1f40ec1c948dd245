// The result of a command or of a part of it: a value, or a failure with the exit code of the process.
#pragma once

#include <cstdint>
#include <string>

#include <krepis/expected.hpp>

namespace knul::cli {

// Documented in docs/knul-command.md and in `knul --help`.
enum class ExitCode : std::uint8_t {
  kSuccess = 0,
  kFailure = 1,  // the work failed: network, peer, server start
  kUsage = 2,    // wrong flags, configuration, or files that they name
  kCut = 3,      // serve: the drain deadline passed and streams were cut
  kForced = 4,   // serve: a second signal ended the drain
};

struct Failure {
  ExitCode code = ExitCode::kFailure;
  std::string message;             // one or more lines, without a prefix
  std::string setting = {};        // the setting of the library that caused it; empty: none
  std::uint32_t library_code = 0;  // KrepisError; 0: the error is not the library's
};

template <class T>
using Outcome = krepis::Expected<T, Failure>;

[[nodiscard]] inline Failure usage_failure(std::string message) {
  return {ExitCode::kUsage, std::move(message)};
}

[[nodiscard]] inline Failure run_failure(std::string message) {
  return {ExitCode::kFailure, std::move(message)};
}

}  // namespace knul::cli
