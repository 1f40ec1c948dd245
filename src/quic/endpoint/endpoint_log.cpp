#include "quic/endpoint/endpoint_log.hpp"

#include "base/text.hpp"

namespace knul::quic {
namespace {

using base::LogKind;
using base::LogLevel;
using Source = CloseCause::Source;

std::string_view name_of(Source source) {
  switch (source) {
    case Source::kPeerApplication:
      return "by the peer's application";
    case Source::kPeerTransport:
      return "by the peer's transport";
    case Source::kLocalApplication:
      return "by this program";
    case Source::kLocalTransport:
      return "by a transport error of this side";
    case Source::kIdleTimeout:
      return "by the idle timeout";
    case Source::kHandshakeTimeout:
      return "by the handshake timeout";
    case Source::kStatelessReset:
      return "by a Stateless Reset of the peer";
    case Source::kNoProgress:
      return "for no progress";
    case Source::kEvicted:
      return "to make room for another handshake";
  }
  return "for an unknown reason";
}

bool has_code(Source source) {
  return source == Source::kPeerApplication || source == Source::kPeerTransport ||
         source == Source::kLocalApplication || source == Source::kLocalTransport ||
         source == Source::kNoProgress;
}

struct Subject {
  LogLevel level;
  LogKind kind;
};
Subject subject_of(const Connection& connection) {
  switch (connection.cause().source) {
    case Source::kHandshakeTimeout:
      return {LogLevel::kInfo, LogKind::kHandshakeTimeout};
    case Source::kNoProgress:
      return {LogLevel::kInfo, LogKind::kNoProgress};
    case Source::kEvicted:
      return {LogLevel::kInfo, LogKind::kHandshakeEvicted};
    case Source::kLocalTransport:
      return connection.is_handshake_completed() ? Subject{LogLevel::kInfo, LogKind::kTransportError}
                                                 : Subject{LogLevel::kInfo, LogKind::kHandshakeFailed};
    case Source::kPeerTransport:
      return connection.is_handshake_completed() ? Subject{LogLevel::kDebug, LogKind::kConnectionClosed}
                                                 : Subject{LogLevel::kInfo, LogKind::kHandshakeFailed};
    default:
      return {LogLevel::kDebug, LogKind::kConnectionClosed};
  }
}

std::uint64_t milliseconds(base::Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

}  // namespace

void EndpointLog::refused(LogKind kind, const base::SocketAddress& from, std::string_view reason,
                          LogLimit limit) const noexcept {
  log_.write(LogLevel::kInfo, kind, [&] {
    return "connection from " + from.to_string() + " refused: " + std::string(reason) + text_of(limit);
  });
}

void EndpointLog::dropped(LogKind kind, const base::SocketAddress& from, std::string_view reason,
                          LogLimit limit) const noexcept {
  log_.write(limit.name.empty() ? LogLevel::kDebug : LogLevel::kInfo, kind, [&] {
    return "packet from " + from.to_string() + " dropped: " + std::string(reason) + text_of(limit);
  });
}

void EndpointLog::closing_evicted(const base::SocketAddress& peer) const noexcept {
  log_.write(LogLevel::kInfo, LogKind::kClosingEvicted, [&] {
    return "closed connection of " + peer.to_string() + " forgotten before its closing period has ended" +
           text_of({"the number of closed connections kept", options_.max_closing, LogLimit::Scope::kWorker});
  });
}

void EndpointLog::out_of_memory(std::string_view consequence) const noexcept {
  log_.write(LogLevel::kError, LogKind::kOutOfMemory,
             [&] { return "out of memory: " + std::string(consequence); });
}

void EndpointLog::opened(const Connection& connection) const noexcept {
  log_.write(LogLevel::kDebug, LogKind::kConnectionOpened, [&] {
    return name_of(connection) + " opened: ALPN " + base::quoted(connection.alpn()) + ", server name " +
           base::quoted(connection.server_name()) + (connection.is_resumed() ? ", resumed" : "");
  });
}

void EndpointLog::closed(const Connection& connection) const noexcept {
  const CloseCause& cause = connection.cause();
  const Subject subject = subject_of(connection);
  log_.write(subject.level, subject.kind, [&] {
    std::string text = name_of(connection) +
                       (connection.is_handshake_completed() ? " closed " : " ended in its handshake ") +
                       std::string(quic::name_of(cause.source));
    if (has_code(cause.source)) {
      text += ", code " + base::code_text(cause.code);
    }
    if (!cause.reason.empty()) {
      text += ", reason " + base::quoted(cause.reason);
    }
    return text + text_of(limit_behind(cause));
  });
}

LogLimit EndpointLog::limit_behind(const CloseCause& cause) const {
  switch (cause.source) {
    case Source::kHandshakeTimeout:
      return {"handshake_timeout_ms", milliseconds(options_.transport.handshake_timeout)};
    case Source::kIdleTimeout:
      return {"idle_timeout_ms", milliseconds(options_.transport.idle_timeout)};
    case Source::kEvicted:
      return {"max_half_open", options_.max_half_open, LogLimit::Scope::kWorker};
    default:
      return {};
  }
}

std::string EndpointLog::text_of(LogLimit limit) const {
  if (limit.name.empty()) {
    return {};
  }
  const bool is_part = limit.scope == LogLimit::Scope::kWorker && options_.workers > 1;
  return "; " + std::string(limit.name) + " is " + std::to_string(limit.value) +
         (is_part ? " on each of " + std::to_string(options_.workers) + " workers" : "");
}

std::string EndpointLog::name_of(const Connection& connection) const {
  return "connection " + std::to_string(connection.number()) + (connection.is_server() ? " from " : " to ") +
         connection.path().remote.to_string();
}

}  // namespace knul::quic
