#include "request_client.hpp"

namespace knul::sim {

std::size_t ConnectionRecord::completed() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(requests, [](const Request& request) { return request.is_complete; }));
}

std::string ConnectionRecord::describe() const {
  std::string text =
      std::to_string(completed()) + " of " + std::to_string(requests.size()) + " requests done";
  text += is_connected ? ", connected" : ", never connected";
  if (closed.has_value()) {
    text += ", closed by source " + std::to_string(static_cast<int>(closed->source)) + " with code " +
            std::to_string(closed->code) + " \"" + closed->reason + "\"";
  }
  return text;
}

void RequestClient::on_connection(krepis::Connection& connection) {
  ConnectionRecord& record = record_of(connection);
  record.is_connected = true;
  record.connection = &connection;
  start_requests(connection);
}

void RequestClient::on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) {
  ConnectionRecord& record = record_of(connection);
  record.closed = reason;
  record.closed_at = worker_->now();
  record.connection = nullptr;
}

void RequestClient::start_requests(krepis::Connection& connection) {
  for (Request& request : record_of(connection).requests) {
    if (request.is_started) {
      continue;
    }
    const auto stream = connection.open_stream(krepis::StreamDirection::kBidirectional);
    if (!stream.has_value()) {
      return;  // on_streams_available follows
    }
    request.is_started = true;
    (*stream)->set_user(&exchanges_.emplace_back(
        Exchange{&request, request_line(request.answer_bytes, request.server_delay), {}}));
    write(**stream);
  }
}

void RequestClient::write(krepis::Stream& stream) {
  Exchange& exchange = exchange_of(stream);
  const std::uint64_t line_bytes = exchange.line.size();
  const auto body_byte = [](std::uint64_t offset) { return pattern(offset * 3 + 1); };
  const std::uint64_t before = exchange.request->sent;
  write_from(
      exchange.request->sent, line_bytes + exchange.request->upload_bytes,
      [&](std::uint64_t offset) {
        return offset < line_bytes ? static_cast<std::uint8_t>(exchange.line[offset])
                                   : body_byte(offset - line_bytes);
      },
      [&](std::span<const std::uint8_t> bytes, bool is_last) {
        return stream.write(bytes, is_last ? krepis::Fin::kYes : krepis::Fin::kNo);
      });
  for (std::uint64_t offset = std::max(before, line_bytes); offset < exchange.request->sent; ++offset) {
    const std::uint8_t byte = body_byte(offset - line_bytes);
    exchange.sent_body.add({&byte, 1});
  }
}

void RequestClient::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                   krepis::Fin fin) {
  ConnectionRecord& record = record_of(stream.connection());
  Exchange& exchange = exchange_of(stream);
  if (record.is_reading) {
    stream.consume(bytes.size());
  }
  check(exchange, bytes);
  if (fin != krepis::Fin::kYes) {
    return;
  }
  Request& request = *exchange.request;
  request.is_complete = request.wrong_bytes == 0 && request.received == kChecksumBytes + request.answer_bytes;
  request.completed_at = worker_->now();
  if (record.when_done == WhenDone::kClose && record.is_done()) {
    stream.connection().close(0, "done");
  }
}

void RequestClient::check(Exchange& exchange, std::span<const std::uint8_t> bytes) {
  Request& request = *exchange.request;
  for (const std::uint8_t byte : bytes) {
    const std::uint64_t offset = request.received++;
    const std::uint8_t expected =
        offset < kChecksumBytes ? exchange.sent_body.byte(offset) : pattern(offset - kChecksumBytes);
    request.wrong_bytes += byte == expected ? 0 : 1;
  }
}

void RequestClient::on_stream_writable(krepis::Stream& stream) { write(stream); }

void RequestClient::on_stream_reset(krepis::Stream& stream, std::uint64_t code) {
  exchange_of(stream).request->reset_code = code;
}

void RequestClient::on_stop_sending(krepis::Stream& stream, std::uint64_t code) {
  exchange_of(stream).request->stop_code = code;
}

void RequestClient::on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) {
  if (direction == krepis::StreamDirection::kBidirectional) {
    start_requests(connection);
  }
}

}  // namespace knul::sim
