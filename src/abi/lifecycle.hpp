// Starts and stops servers for the C ABI. All functions may throw, because call_guard.hpp calls them.
#pragma once

#include <krepis/krepis.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse start(Process& process, const FfiQuicConfig* config);
FfiResponse check_json(const char* json, std::size_t length);
FfiResponse start_json(Process& process, const char* json, std::size_t length);

FfiResponse reload(Process& process, std::uint64_t handle);

enum class Report : bool { kNo, kYes };
// Without a deadline: the server's drain_timeout_ms.
FfiResponse stop(Process& process, std::uint64_t handle, std::optional<std::chrono::milliseconds> deadline,
                 Report report);

// The same, for a caller for which Process::claim_stop returned true.
FfiResponse stop_claimed(Process& process, std::uint64_t handle,
                         std::optional<std::chrono::milliseconds> deadline, Report report);
// Stops the server on another thread. Errors: kInvalidPointer, kQuotaExceeded.
FfiResponse stop_begin(Process& process, std::uint64_t handle, std::chrono::milliseconds deadline);

// The error for a handle that does not name a running server.
FfiResponse unknown_handle(std::uint64_t handle);

}  // namespace knul::abi
