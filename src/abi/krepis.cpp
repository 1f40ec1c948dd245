// The functions that libknul.so exports, one line each. lifecycle.cpp and observation.cpp implement them.
#include <krepis/krepis.h>

#include <chrono>
#include <krepis/krepis.hpp>
#include <string>

#include "abi/call_guard.hpp"
#include "abi/lifecycle.hpp"
#include "abi/observation.hpp"
#include "server/error_codes.hpp"

namespace abi = knul::abi;
using abi::guarded;
using abi::guarded_into;
using abi::Process;

namespace {

constexpr std::uint64_t kMaxDeadlineMs = 3'600'000;

FfiResponse bad_deadline(std::uint64_t deadline_ms) {
  return abi::failure(krepis::ErrorCode::kInvalidRequest,
                      "deadline_ms is " + std::to_string(deadline_ms) + ", expected 0 to 3600000");
}

FfiResponse stop_by(Process& process, std::uint64_t handle, std::uint64_t deadline_ms) {
  if (deadline_ms > kMaxDeadlineMs) {
    return bad_deadline(deadline_ms);
  }
  return abi::stop(process, handle, std::chrono::milliseconds(deadline_ms), abi::Report::kYes);
}

}  // namespace

extern "C" {

FfiResponse krepis_quic_start(const FfiQuicConfig* config) noexcept {
  return guarded([&](Process& process) { return abi::start(process, config); });
}

FfiResponse krepis_quic_stop(std::uint64_t handle) noexcept {
  return guarded(
      [&](Process& process) { return abi::stop(process, handle, std::nullopt, abi::Report::kNo); });
}

FfiResponse krepis_quic_get_stats(std::uint64_t handle) noexcept {
  return guarded([&](Process& process) { return abi::stats(process, handle); });
}

std::uint32_t krepis_abi_version(void) noexcept { return KREPIS_ABI_VERSION; }

const char* krepis_version(void) noexcept { return krepis::version(); }

const char* krepis_error_name(std::uint32_t error_code) noexcept {
  return knul::server::error_name(error_code);
}

const char* krepis_last_error(void) noexcept {
  return knul::server::is_forked_child()
             ? "this process was forked from a process that uses the library; only that process can use it"
             : abi::last_error_text();
}

FfiResponse krepis_settings(void) noexcept {
  return guarded([](Process& process) { return abi::settings(process); });
}

FfiResponse krepis_quic_start_json(const char* json, std::size_t length) noexcept {
  return guarded([&](Process& process) { return abi::start_json(process, json, length); });
}

FfiResponse krepis_quic_check_json(const char* json, std::size_t length) noexcept {
  return guarded([&](Process&) { return abi::check_json(json, length); });
}

std::uint16_t krepis_quic_port(std::uint64_t handle) noexcept {
  std::uint16_t port = 0;
  (void)guarded([&](Process& process) {
    const auto pin = process.registry().find(handle);
    if (!pin) {
      return abi::unknown_handle(handle);
    }
    port = pin->port();
    return abi::success();
  });
  return port;
}

FfiResponse krepis_quic_info(std::uint64_t handle) noexcept {
  return guarded([&](Process& process) { return abi::info(process, handle); });
}

FfiResponse krepis_quic_stop_report(std::uint64_t handle, std::uint64_t deadline_ms) noexcept {
  return guarded([&](Process& process) { return stop_by(process, handle, deadline_ms); });
}

std::uint32_t krepis_quic_stop_begin(std::uint64_t handle, std::uint64_t deadline_ms) noexcept {
  return guarded([&](Process& process) {
           return deadline_ms > kMaxDeadlineMs
                      ? bad_deadline(deadline_ms)
                      : abi::stop_begin(process, handle, std::chrono::milliseconds(deadline_ms));
         })
      .error_code;
}

FfiResponse krepis_quic_reload(std::uint64_t handle) noexcept {
  return guarded([&](Process& process) { return abi::reload(process, handle); });
}

FfiResponse krepis_quic_list(void) noexcept {
  return guarded([](Process& process) { return abi::list(process); });
}

FfiResponse krepis_quic_connections(std::uint64_t handle) noexcept {
  return guarded([&](Process& process) { return abi::connections(process, handle); });
}

FfiResponse krepis_quic_connections_json(std::uint64_t handle, const char* query,
                                         std::size_t length) noexcept {
  return guarded([&](Process& process) { return abi::connections_json(process, handle, query, length); });
}

FfiResponse krepis_quic_get_metrics(std::uint64_t handle) noexcept {
  return guarded([&](Process& process) { return abi::metrics(process, handle); });
}

std::uint32_t krepis_quic_start_into(const FfiQuicConfig* config, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_start(config); });
}

std::uint32_t krepis_quic_stop_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_stop(handle); });
}

std::uint32_t krepis_quic_get_stats_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_get_stats(handle); });
}

std::uint32_t krepis_settings_into(FfiResponse* out) noexcept {
  return guarded_into(out, [] { return krepis_settings(); });
}

std::uint32_t krepis_quic_start_json_into(const char* json, std::size_t length, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_start_json(json, length); });
}

std::uint32_t krepis_quic_check_json_into(const char* json, std::size_t length, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_check_json(json, length); });
}

std::uint32_t krepis_quic_info_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_info(handle); });
}

std::uint32_t krepis_quic_stop_report_into(std::uint64_t handle, std::uint64_t deadline_ms,
                                           FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_stop_report(handle, deadline_ms); });
}

std::uint32_t krepis_quic_reload_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_reload(handle); });
}

std::uint32_t krepis_quic_list_into(FfiResponse* out) noexcept {
  return guarded_into(out, [] { return krepis_quic_list(); });
}

std::uint32_t krepis_quic_connections_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_connections(handle); });
}

std::uint32_t krepis_quic_connections_json_into(std::uint64_t handle, const char* query, std::size_t length,
                                                FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_connections_json(handle, query, length); });
}

std::uint32_t krepis_quic_get_metrics_into(std::uint64_t handle, FfiResponse* out) noexcept {
  return guarded_into(out, [&] { return krepis_quic_get_metrics(handle); });
}

}  // extern "C"
