#include "request_server.hpp"

namespace knul::sim {

void RequestServer::on_connection(krepis::Connection& connection) {
  ++record_->connections;
  ++record_->connections_by_worker[worker_->index()];
  record_->open[connection.id()] = &connection;
  clients_.emplace(connection.id(), Client{&connection, {}});
}

void RequestServer::on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) {
  record_->closed.push_back(reason);
  record_->open.erase(connection.id());
  clients_.erase(connection.id());
}

void RequestServer::on_stream_opened(krepis::Connection& connection, krepis::StreamId stream) {
  ++record_->streams_opened;
  record_->peers.insert(connection.peer_address());
  clients_.at(connection.id()).requests[stream];
}

void RequestServer::on_stream_data(krepis::Connection& connection, krepis::StreamId stream,
                                   std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  Request& request = clients_.at(connection.id()).requests.at(stream);
  record_->received_bytes += bytes.size();
  connection.consume(stream, bytes.size());
  while (!request.is_line_complete && !bytes.empty()) {
    request.line += static_cast<char>(bytes.front());
    request.is_line_complete = bytes.front() == '\n';
    bytes = bytes.subspan(1);
  }
  request.body.add(bytes);
  if (fin == krepis::Fin::kYes) {
    answer_later(connection.id(), stream);
  }
}

void RequestServer::answer_later(std::uint64_t connection_id, krepis::StreamId stream) {
  Client& client = clients_.at(connection_id);
  Request& request = client.requests.at(stream);
  std::int64_t delay_us = 0;
  const char* end = request.line.data() + request.line.size();
  const auto [rest, failure] = std::from_chars(request.line.data(), end, request.answer_bytes);
  if (failure != std::errc{} || rest == end || std::from_chars(rest + 1, end, delay_us).ec != std::errc{}) {
    client.connection->reset_stream(stream, 400);
    return;
  }
  if (delay_us == 0) {
    answer(client, stream);
    return;
  }
  worker_->call_after(std::chrono::microseconds(delay_us), [this, connection_id, stream] {
    const auto found = clients_.find(connection_id);
    if (found != clients_.end() && found->second.requests.contains(stream)) {
      answer(found->second, stream);
    }
  });
}

void RequestServer::answer(Client& client, krepis::StreamId stream) {
  Request& request = client.requests.at(stream);
  request.is_answering = true;
  const std::uint64_t total = kChecksumBytes + request.answer_bytes;
  const std::uint64_t before = request.sent;
  write_from(
      request.sent, total,
      [&](std::uint64_t offset) {
        return offset < kChecksumBytes ? request.body.byte(offset) : pattern(offset - kChecksumBytes);
      },
      [&](std::span<const std::uint8_t> bytes, bool is_last) {
        return client.connection->write(stream, bytes, is_last ? krepis::Fin::kYes : krepis::Fin::kNo);
      });
  record_->answers_finished += before < total && request.sent == total ? 1 : 0;
}

void RequestServer::on_stream_writable(krepis::Connection& connection, krepis::StreamId stream) {
  Client& client = clients_.at(connection.id());
  if (client.requests.at(stream).is_answering) {
    answer(client, stream);
  }
}

void RequestServer::on_stream_closed(krepis::Connection& connection, krepis::StreamId stream) {
  ++record_->streams_closed;
  // Throws for a stream that was never opened: the engine must not tell of one.
  clients_.at(connection.id()).requests.at(stream);
  clients_.at(connection.id()).requests.erase(stream);
}

void RequestServer::on_drain(std::chrono::milliseconds deadline) {
  record_->drains_told.push_back(worker_->index());
  record_->drain_deadlines.push_back(deadline);
}

}  // namespace knul::sim
