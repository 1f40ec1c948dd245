#include "abi/observation.hpp"

#include <string>

#include "abi/call_guard.hpp"
#include "abi/lifecycle.hpp"
#include "server/settings_json.hpp"

namespace knul::abi {

namespace {

using krepis::ErrorCode;

// Calls `write(server, out)` with the thread's result text while the server is pinned.
template <class Write>
FfiResponse answer(Process& process, std::uint64_t handle, Write&& write) {
  const auto pin = process.registry().find(handle);
  if (!pin) {
    return unknown_handle(handle);
  }
  std::string& out = new_result_text();
  if (const krepis::Result<void> written = write(*pin, out); !written) {
    return failure(written.error());
  }
  return success(buffer_of(out));
}

}  // namespace

FfiResponse stats(Process& process, std::uint64_t handle) {
  return answer(process, handle, [](krepis::QuicServer& server, std::string& out) -> krepis::Result<void> {
    server.stats_json(out);
    return {};
  });
}

FfiResponse metrics(Process& process, std::uint64_t handle) {
  return answer(process, handle, [](krepis::QuicServer& server, std::string& out) -> krepis::Result<void> {
    server.metrics_text(out);
    return {};
  });
}

FfiResponse connections(Process& process, std::uint64_t handle) {
  return answer(process, handle,
                [](krepis::QuicServer& server, std::string& out) { return server.connections_json(out); });
}

FfiResponse connections_json(Process& process, std::uint64_t handle, const char* query, std::size_t length) {
  constexpr std::size_t kMostBytes = 4'096;
  if (query == nullptr && length > 0) {
    return failure(ErrorCode::kInvalidPointer,
                   "query is null, expected " + std::to_string(length) + " bytes");
  }
  if (length > kMostBytes) {
    return failure(ErrorCode::kInvalidRequest,
                   "query is " + std::to_string(length) + " bytes long, expected at most 4096");
  }
  std::string_view text(query == nullptr ? "" : query, length);
  text.remove_suffix(text.ends_with('\0') ? 1 : 0);
  return answer(process, handle, [&](krepis::QuicServer& server, std::string& out) {
    return server.query_connections(out, text);
  });
}

FfiResponse info(Process& process, std::uint64_t handle) {
  return answer(process, handle, [&](krepis::QuicServer& server, std::string& out) -> krepis::Result<void> {
    const ServiceChoice service = process.service_of(handle).value_or(ServiceChoice{});
    out += "{\"handle\":" + std::to_string(handle) + ",\"port\":" + std::to_string(server.port()) +
           ",\"state\":" + (server.is_running() ? "\"running\"" : "\"draining\"") +
           ",\"settings\":" + server::settings_to_json({server.options(), service.name, service.root}) + "}";
    return {};
  });
}

FfiResponse list(Process& process) {
  std::string& out = new_result_text();
  out += '[';
  for (const std::uint64_t handle : process.registry().list_handles()) {
    out += (out.size() > 1 ? "," : "") + std::to_string(handle);
  }
  out += ']';
  return success(buffer_of(out));
}

FfiResponse settings(Process&) {
  std::string& out = new_result_text();
  out = server::describe_settings_json();
  return success(buffer_of(out));
}

}  // namespace knul::abi
