#include "service/echo_service.hpp"

#include <utility>

namespace knul::service {
namespace {

constexpr auto kUnidirectional = krepis::StreamDirection::kUnidirectional;

}  // namespace

void EchoService::on_connection_closed(krepis::Connection& connection,
                                       const krepis::CloseReason& /*reason*/) {
  waiting_.erase(connection);
  connection.for_each_stream([this](krepis::Stream& stream) { forget(stream); });
}

void EchoService::Echo::clear_pending() {
  pending = {};
  sent = 0;
}

EchoService::Echo& EchoService::echo_of(krepis::Stream& source) {
  Echo& echo = echoes_.of(source);
  echo.source = &source;
  if (source.direction() != kUnidirectional) {
    echo.reply = &source;
  }
  return echo;
}

void EchoService::open_reply(Echo& echo) {
  if (echo.reply != nullptr || echo.is_waiting) {
    return;
  }
  std::deque<Echo*>& waiting = waiting_.of(echo.source->connection()).echoes;
  if (!waiting.empty() || !open_unidirectional(echo)) {
    waiting.push_back(&echo);
    echo.is_waiting = true;
  }
}

bool EchoService::open_unidirectional(Echo& echo) {
  const auto opened = echo.source->connection().open_stream(kUnidirectional);
  if (!opened) {
    return false;
  }
  echo.reply = *opened;
  echo.reply->set_user(echo.source->user());
  return true;
}

void EchoService::on_stream_data(krepis::Stream& source, std::span<const std::uint8_t> bytes,
                                 krepis::Fin fin) {
  Echo& echo = echo_of(source);
  if (echo.is_over) {
    source.consume(bytes.size());
    return;
  }
  open_reply(echo);
  echo.is_ending = fin == krepis::Fin::kYes;
  if (echo.reply != nullptr && echo.pending.empty()) {
    const std::size_t accepted = echo.reply->write(bytes, fin);
    if (accepted > 0) {
      source.consume(accepted);
    }
    bytes = bytes.subspan(accepted);
    if (bytes.empty()) {
      if (echo.is_ending) {
        end(echo);
      }
      return;
    }
  }
  keep(echo, bytes);
}

void EchoService::keep(Echo& echo, std::span<const std::uint8_t> bytes) {
  if (echo.sent > echo.pending.size() / 2) {
    echo.pending.erase(echo.pending.begin(), echo.pending.begin() + static_cast<std::ptrdiff_t>(echo.sent));
    echo.sent = 0;
  }
  echo.pending.insert(echo.pending.end(), bytes.begin(), bytes.end());
  if (echo.source->direction() == kUnidirectional && !std::exchange(echo.is_retained, true)) {
    echo.source->retain();
  }
}

void EchoService::flush(Echo& echo) {
  const std::span<const std::uint8_t> rest = echo.unsent();
  if (echo.reply == nullptr || echo.is_over || (rest.empty() && !echo.is_ending)) {
    return;
  }
  const std::size_t accepted = echo.reply->write(rest, krepis::Fin{echo.is_ending});
  echo.sent += accepted;
  if (accepted > 0) {
    echo.source->consume(accepted);
  }
  if (accepted < rest.size()) {
    return;  // on_stream_writable follows
  }
  echo.clear_pending();
  if (echo.is_ending) {
    end(echo);
  }
}

// Ends the echo: unsent bytes are discarded and count as consumed. Lifetime: the source may end by this, and
// `echo` with it.
void EchoService::end(Echo& echo) {
  krepis::Stream& source = *echo.source;
  const std::size_t unsent = echo.unsent().size();
  const bool was_retained = std::exchange(echo.is_retained, false);
  echo.clear_pending();
  echo.is_over = true;
  leave_queue(echo);
  if (unsent > 0) {
    source.consume(unsent);
  }
  if (was_retained) {
    source.release();
  }
}

void EchoService::leave_queue(Echo& echo) {
  Waiting* const waiting = waiting_.find(echo.source->connection());
  if (std::exchange(echo.is_waiting, false) && waiting != nullptr) {
    std::erase(waiting->echoes, &echo);
  }
}

void EchoService::on_stream_writable(krepis::Stream& reply) {
  if (Echo* const echo = echoes_.find(reply)) {
    flush(*echo);
  }
}

void EchoService::on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) {
  Waiting* const waiting = waiting_.find(connection);
  if (direction != kUnidirectional || waiting == nullptr) {
    return;
  }
  while (!waiting->echoes.empty()) {
    Echo& echo = *waiting->echoes.front();
    if (!open_unidirectional(echo)) {
      return;
    }
    waiting->echoes.pop_front();
    echo.is_waiting = false;
    flush(echo);
  }
}

void EchoService::on_stream_reset(krepis::Stream& source, std::uint64_t code) {
  Echo& echo = echo_of(source);
  if (echo.is_over) {
    return;
  }
  if (echo.reply != nullptr) {
    echo.reply->reset(code);
  }
  end(echo);
}

void EchoService::on_stop_sending(krepis::Stream& reply, std::uint64_t code) {
  Echo* const echo = echoes_.find(reply);
  if (echo == nullptr) {
    return;
  }
  if (!echo->is_ending) {
    echo->source->stop_sending(code);
  }
  if (!echo->is_over) {
    end(*echo);
  }
}

void EchoService::on_stream_closed(krepis::Stream& stream) {
  Echo* const echo = echoes_.find(stream);
  if (echo != nullptr && echo->source != &stream && !echo->is_over) {
    end(*echo);  // the reply could not be sent, so the rest of the source is discarded
  }
  forget(stream);
}

void EchoService::forget(krepis::Stream& stream) {
  Echo* const echo = echoes_.find(stream);
  if (echo == nullptr) {
    return;
  }
  if (echo->source != &stream) {
    echo->reply = nullptr;
    stream.set_user(nullptr);
    return;
  }
  leave_queue(*echo);
  if (echo->reply != nullptr && echo->reply != &stream) {
    echo->reply->set_user(nullptr);
  }
  echoes_.erase(stream);
}

void EchoService::on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) {
  // Datagrams are unreliable (RFC 9221 §5): a datagram that does not fit into the queue is dropped, and the
  // layer below counts it.
  static_cast<void>(connection.send_datagram(bytes));
}

}  // namespace knul::service
