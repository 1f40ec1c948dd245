#include "cli/server_control.hpp"

#include <krepis/krepis.h>

#include <cstring>
#include <string_view>

namespace knul::cli {
namespace {

std::string text_of(const FfiResponse& response) {
  return {reinterpret_cast<const char*>(response.result_buffer.data), response.result_buffer.len};
}

std::string text_if_success(const FfiResponse& response) {
  return response.error_code == KREPIS_SUCCESS ? text_of(response) : std::string();
}

// The certificate or its key is missing in the configuration, not readable, or does not fit. docs/abi.md: the
// text of an error about a setting begins with its name. Elsewhere in a text the names may be part of a path.
bool is_about_credentials(std::uint32_t code, std::string_view message) {
  const bool is_named = message.starts_with("cert_path") || message.starts_with("key_path");
  return is_named && (code == KREPIS_INVALID_REQUEST || code == KREPIS_INTERNAL);
}

}  // namespace

Outcome<std::uint64_t> start_server(const std::string& json) {
  const FfiResponse response = krepis_quic_start_json(json.data(), json.size());
  if (response.error_code != KREPIS_SUCCESS) {
    std::string message = krepis_last_error();
    if (is_about_credentials(response.error_code, message)) {
      return usage_failure(
          message + "\nfor development: `knul cert --out DIR`, then --cert DIR/cert.pem --key DIR/key.pem");
    }
    return response.error_code == KREPIS_INVALID_REQUEST ? usage_failure(message) : run_failure(message);
  }
  std::uint64_t handle = 0;
  std::memcpy(&handle, response.result_buffer.data, sizeof handle);
  return handle;
}

std::string server_info(std::uint64_t handle) { return text_if_success(krepis_quic_info(handle)); }

std::string server_statistics(std::uint64_t handle) { return text_if_success(krepis_quic_get_stats(handle)); }

StopResult stop_server(std::uint64_t handle, std::uint64_t deadline_ms) {
  const FfiResponse response = krepis_quic_stop_report(handle, deadline_ms);
  const bool is_clean = response.error_code == KREPIS_SUCCESS;
  return {.is_clean = is_clean,
          .is_stopped = is_clean || response.error_code == KREPIS_TIMEOUT,
          .report = text_of(response),
          .error = is_clean ? std::string() : krepis_last_error()};
}

}  // namespace knul::cli
