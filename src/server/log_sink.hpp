// The process's log: spdlog to standard error, level by the environment variable KNUL_LOG (trace, debug,
// info, warning, error, off; default warning).
#pragma once

#include "base/log.hpp"

namespace knul::server {

// Thread: any. Lifetime: until the process ends; never destroyed, because workers may still log while the
// process exits.
[[nodiscard]] base::LogSink& process_log();

}  // namespace knul::server
