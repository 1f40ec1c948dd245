#include "abi/lifecycle.hpp"

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "abi/call_guard.hpp"
#include "abi/quic_config.hpp"
#include "server/error_codes.hpp"
#include "server/secrets.hpp"
#include "server/settings_json.hpp"
#include "service/service.hpp"

namespace knul::abi {

namespace {

using krepis::DrainReport;
using krepis::ErrorCode;
using krepis::QuicServer;

// Removes the server from the registry at the end of the scope, also after an exception.
class Removal {
 public:
  Removal(Process& process, std::uint64_t handle) : process_(process), handle_(handle) {}
  ~Removal() {
    process_.registry().unregister(handle_).reset();
    process_.forget(handle_);
  }
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;

 private:
  Process& process_;
  std::uint64_t handle_;
};

FfiResponse start_server(Process& process, const krepis::ServerOptions& options,
                         krepis::ApplicationFactory factory, ServiceChoice service) {
  // Without a service, the program handles connections through channels.
  const auto hub = factory ? nullptr : std::make_shared<channel::Hub>(options.server_write_queue_bytes);
  krepis::ApplicationMemorySource memory;
  if (hub) {
    memory = [hub] { return hub->memory(); };
  }
  auto server = QuicServer::start(options, hub ? hub->factory() : std::move(factory), std::move(memory));
  if (!server) {
    return failure(server.error());
  }
  const auto handle = process.registry().register_server(*std::move(server));
  if (!handle) {
    return failure(handle.error());
  }
  try {
    return success({process.remember(*handle, std::move(service), hub), sizeof *handle, sizeof *handle, 0});
  } catch (...) {
    process.registry().unregister(*handle).reset();
    throw;
  }
}

// Stops the server but leaves it registered, because other threads may read it at the same time.
krepis::Result<DrainReport> stop_pinned(Process& process, std::uint64_t handle,
                                        std::optional<std::chrono::milliseconds> deadline) {
  const auto pin = process.registry().find(handle);
  if (!pin) {
    return krepis::Error{ErrorCode::kInvalidPointer, {}};
  }
  return deadline ? pin->stop(*deadline) : pin->stop();
}

// The statistics are final, and the handle will not name the server after the stop. When memory is short, the
// report has no statistics.
void append_last_statistics(Process& process, std::uint64_t handle, std::string& out) {
  try {
    std::string statistics;
    if (const auto pin = process.registry().find(handle)) {
      pin->stats_json(statistics);
      out.reserve(out.size() + statistics.size() + 16);
      out += ",\"stats\":" + statistics;
    }
  } catch (const std::bad_alloc&) {
  }
}

void write_report(const DrainReport& report, Process& process, std::uint64_t handle, std::string& out) {
  const auto member = [&](const char* name, std::uint64_t value) {
    out += std::string(",\"") + name + "\":" + std::to_string(value);
  };
  out += report.clean ? "{\"clean\":true" : "{\"clean\":false";
  member("connections_closed", report.connections_closed);
  member("streams_completed", report.streams_completed);
  member("streams_cut", report.streams_cut);
  member("bytes_unsent", report.bytes_unsent);
  member("elapsed_ms", static_cast<std::uint64_t>(report.elapsed.count()));
  append_last_statistics(process, handle, out);
  out += '}';
}

std::string timeout_text(const DrainReport& report) {
  return std::to_string(report.streams_cut) + " streams were cut with " +
         std::to_string(report.bytes_unsent) +
         " unsent bytes (drain deadline, close by the program, or no progress); the server stopped after " +
         std::to_string(report.elapsed.count()) + " ms";
}

struct ParsedStart {
  krepis::ServerOptions options;
  krepis::ApplicationFactory factory;  // empty without a service
  ServiceChoice service;
};

krepis::Result<ParsedStart> parse_start(const char* json, std::size_t length) {
  if (json == nullptr) {
    return krepis::Error{ErrorCode::kInvalidPointer,
                         "json is null, expected " + std::to_string(length) + " bytes"};
  }
  std::string_view text(json, length);
  if (text.size() <= server::kMaxSettingsBytes && text.ends_with('\0')) {
    text.remove_suffix(1);
  }
  auto parsed = server::parse_settings_json(text);
  if (!parsed) {
    return server::to_public(std::move(parsed).error());
  }
  const server::Wiped wiped(parsed->options);
  ServiceChoice service{parsed->service, parsed->service_root};
  ParsedStart start{std::move(parsed->options), nullptr, std::move(service)};
  const server::Wiped wiped_after_error(start.options);
  if (parsed->service != "none") {
    auto made = service::service_factory(parsed->service, parsed->service_root);
    if (!made) {
      return std::move(made).error();
    }
    start.factory = *std::move(made);
  }
  return start;
}

}  // namespace

FfiResponse unknown_handle(std::uint64_t handle) {
  return failure(ErrorCode::kInvalidPointer,
                 "handle " + std::to_string(handle) + " does not name a running server");
}

FfiResponse start(Process& process, const FfiQuicConfig* config) {
  const auto options = read_config(config);
  return options ? start_server(process, *options, nullptr, {}) : failure(options.error());
}

FfiResponse check_json(const char* json, std::size_t length) {
  auto parsed = parse_start(json, length);
  if (!parsed) {
    return failure(parsed.error());
  }
  const server::Wiped wiped(parsed->options);
  auto checked = QuicServer::check(parsed->options);
  return checked ? success({}) : failure(checked.error());
}

FfiResponse start_json(Process& process, const char* json, std::size_t length) {
  auto parsed = parse_start(json, length);
  if (!parsed) {
    return failure(parsed.error());
  }
  const server::Wiped wiped(parsed->options);
  return start_server(process, parsed->options, std::move(parsed->factory), std::move(parsed->service));
}

FfiResponse reload(Process& process, std::uint64_t handle) {
  const auto pin = process.registry().find(handle);
  if (!pin) {
    return unknown_handle(handle);
  }
  const krepis::Result<void> reloaded = pin->reload();
  return reloaded ? success() : failure(reloaded.error());
}

FfiResponse stop(Process& process, std::uint64_t handle, std::optional<std::chrono::milliseconds> deadline,
                 Report report) {
  return process.claim_stop(handle) ? stop_claimed(process, handle, deadline, report)
                                    : unknown_handle(handle);
}

FfiResponse stop_claimed(Process& process, std::uint64_t handle,
                         std::optional<std::chrono::milliseconds> deadline, Report report) {
  const auto hub = process.hub_of(handle);
  if (hub) {
    hub->begin_drain();
  }
  const Removal removal(process, handle);  // also after an exception: no other call can finish this stop
  const auto drained = stop_pinned(process, handle, deadline);
  if (!drained) {
    return failure(drained.error());
  }
  const ErrorCode code = drained->clean ? ErrorCode::kSuccess : ErrorCode::kTimeout;
  if (!drained->clean) {
    set_last_error(timeout_text(*drained));
  }
  std::string text;
  write_report(*drained, process, handle, text);
  if (hub) {
    hub->publish_stopped(static_cast<std::uint32_t>(code), text);
  }
  FfiBuffer result{};
  if (report == Report::kYes) {
    std::string& out = new_result_text();
    out = text;
    result = buffer_of(out);
  }
  return {static_cast<std::uint32_t>(code), 0, result};
}

}  // namespace knul::abi
