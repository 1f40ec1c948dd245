// The log lines of an endpoint: each drop, refusal and end of a connection, with the limit that caused it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/socket_address.hpp"
#include "quic/connection/connection.hpp"
#include "quic/endpoint/endpoint_options.hpp"

namespace knul::quic {

// A setting or a constant of the engine.
struct LogLimit {
  std::string_view name = {};  // empty: no limit
  std::uint64_t value = 0;     // of this endpoint
  enum class Scope : std::uint8_t { kEach, kWorker } scope = Scope::kEach;
};

// Thread: its endpoint's. Lifetime: the constructor's references outlive this object.
class EndpointLog {
 public:
  EndpointLog(base::LogSink& log, const EndpointOptions& options) : log_(log), options_(options) {}

  // "connection from ADDRESS refused: REASON; LIMIT". Level info.
  void refused(base::LogKind kind, const base::SocketAddress& from, std::string_view reason,
               LogLimit limit = {}) const noexcept;
  // "packet from ADDRESS dropped: REASON; LIMIT". Level info with a limit, debug without.
  void dropped(base::LogKind kind, const base::SocketAddress& from, std::string_view reason,
               LogLimit limit = {}) const noexcept;
  void closing_evicted(const base::SocketAddress& peer) const noexcept;
  void out_of_memory(std::string_view consequence) const noexcept;

  // Level debug.
  void opened(const Connection& connection) const noexcept;
  // Level info if this side ended it because of a limit or an error, debug otherwise. Requires has_ended().
  void closed(const Connection& connection) const noexcept;

 private:
  [[nodiscard]] std::string text_of(LogLimit limit) const;
  [[nodiscard]] std::string name_of(const Connection& connection) const;
  [[nodiscard]] LogLimit limit_behind(const CloseCause& cause) const;

  base::LogSink& log_;
  const EndpointOptions& options_;
};

}  // namespace knul::quic
