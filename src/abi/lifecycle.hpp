// Start and stop behind the C ABI. All may throw; the caller is call_guard.hpp.
#pragma once

#include <krepis/krepis.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "abi/process.hpp"

namespace knul::abi {

FfiResponse start(Process& process, const FfiQuicConfig* config);
FfiResponse start_json(Process& process, const char* json, std::size_t length);

enum class Report : bool { kNo, kYes };
// Without a deadline the server's own drain_timeout_ms.
FfiResponse stop(Process& process, std::uint64_t handle, std::optional<std::chrono::milliseconds> deadline,
                 Report report);

// The same for who has claimed it with Process::claim_stop.
FfiResponse stop_claimed(Process& process, std::uint64_t handle,
                         std::optional<std::chrono::milliseconds> deadline, Report report);
// Starts the stop on a thread of its own. Errors: kInvalidPointer, kQuotaExceeded.
FfiResponse stop_begin(Process& process, std::uint64_t handle, std::chrono::milliseconds deadline);

// The answer for a handle that no server has.
FfiResponse unknown_handle(std::uint64_t handle);

}  // namespace knul::abi
