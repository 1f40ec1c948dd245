#include "cli/server_control.hpp"

#include <krepis/krepis.h>

#include <cstring>
#include <utility>

#include "cli/settings.hpp"

namespace knul::cli {
namespace {

std::string text_of(const FfiResponse& response) {
  return {reinterpret_cast<const char*>(response.result_buffer.data), response.result_buffer.len};
}

std::string text_if_success(const FfiResponse& response) {
  return response.error_code == KREPIS_SUCCESS ? text_of(response) : std::string();
}

// The certificate or its key is missing in the configuration, not readable, or does not fit.
bool is_about_credentials(std::uint32_t code, const std::string& setting) {
  const bool is_named = setting == "cert_path" || setting == "key_path";
  return is_named && (code == KREPIS_INVALID_REQUEST || code == KREPIS_INTERNAL);
}

Failure server_failure(std::uint32_t code, std::string message) {
  std::string setting = setting_named_in(message);
  const bool is_of_credentials = is_about_credentials(code, setting);
  if (is_of_credentials) {
    message += "\nfor development: `knul cert --out DIR`, then --cert DIR/cert.pem --key DIR/key.pem";
  }
  const bool is_usage = is_of_credentials || code == KREPIS_INVALID_REQUEST;
  return {is_usage ? ExitCode::kUsage : ExitCode::kFailure, std::move(message), std::move(setting), code};
}

}  // namespace

Outcome<std::uint64_t> start_server(const std::string& json) {
  const FfiResponse response = krepis_quic_start_json(json.data(), json.size());
  if (response.error_code != KREPIS_SUCCESS) {
    return server_failure(response.error_code, krepis_last_error());
  }
  std::uint64_t handle = 0;
  std::memcpy(&handle, response.result_buffer.data, sizeof handle);
  return handle;
}

std::string server_info(std::uint64_t handle) { return text_if_success(krepis_quic_info(handle)); }

std::string server_statistics(std::uint64_t handle) { return text_if_success(krepis_quic_get_stats(handle)); }

bool do_workers_answer(std::uint64_t handle) {
  return krepis_quic_connections(handle).error_code != KREPIS_TIMEOUT;
}

Outcome<void> check_settings(const std::string& json) {
  const FfiResponse response = krepis_quic_check_json(json.data(), json.size());
  if (response.error_code != KREPIS_SUCCESS) {
    return server_failure(response.error_code, krepis_last_error());
  }
  return {};
}

Outcome<void> reload_server(std::uint64_t handle) {
  const FfiResponse response = krepis_quic_reload(handle);
  return response.error_code == KREPIS_SUCCESS ? Outcome<void>{} : run_failure(krepis_last_error());
}

StopResult stop_server(std::uint64_t handle, std::uint64_t deadline_ms) {
  const FfiResponse response = krepis_quic_stop_report(handle, deadline_ms);
  const bool is_clean = response.error_code == KREPIS_SUCCESS;
  return {.is_clean = is_clean,
          .is_stopped = is_clean || response.error_code == KREPIS_TIMEOUT,
          .report = text_of(response),
          .error = is_clean ? std::string() : krepis_last_error()};
}

}  // namespace knul::cli
