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

void RequestServer::on_stream_opened(krepis::Stream& stream) {
  ++record_->streams_opened;
  krepis::Connection& connection = stream.connection();
  record_->peers.insert(connection.peer_address());
  clients_.at(connection.id()).requests[stream.id()];
}

void RequestServer::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                   krepis::Fin fin) {
  const std::uint64_t connection_id = stream.connection().id();
  Request& request = clients_.at(connection_id).requests.at(stream.id());
  record_->received_bytes += bytes.size();
  stream.consume(bytes.size());
  while (!request.is_line_complete && !bytes.empty()) {
    request.line += static_cast<char>(bytes.front());
    request.is_line_complete = bytes.front() == '\n';
    bytes = bytes.subspan(1);
  }
  request.body.add(bytes);
  if (fin == krepis::Fin::kYes) {
    answer_later(connection_id, stream.id());
  }
}

void RequestServer::answer_later(std::uint64_t connection_id, krepis::StreamId stream) {
  Client& client = clients_.at(connection_id);
  Request& request = client.requests.at(stream);
  std::int64_t delay_us = 0;
  const char* end = request.line.data() + request.line.size();
  const auto [rest, failure] = std::from_chars(request.line.data(), end, request.answer_bytes);
  if (failure != std::errc{} || rest == end || std::from_chars(rest + 1, end, delay_us).ec != std::errc{}) {
    client.connection->find_stream(stream)->reset(400);
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
  krepis::Stream& to = *client.connection->find_stream(stream);  // open, because it has a request
  const std::uint64_t total = kChecksumBytes + request.answer_bytes;
  const std::uint64_t before = request.sent;
  write_from(
      request.sent, total,
      [&](std::uint64_t offset) {
        return offset < kChecksumBytes ? request.body.byte(offset) : pattern(offset - kChecksumBytes);
      },
      [&](std::span<const std::uint8_t> bytes, bool is_last) {
        return to.write(bytes, is_last ? krepis::Fin::kYes : krepis::Fin::kNo);
      });
  record_->answers_finished += before < total && request.sent == total ? 1 : 0;
}

void RequestServer::on_stream_writable(krepis::Stream& stream) {
  Client& client = clients_.at(stream.connection().id());
  if (client.requests.at(stream.id()).is_answering) {
    answer(client, stream.id());
  }
}

void RequestServer::on_stream_closed(krepis::Stream& stream) {
  ++record_->streams_closed;
  // Throws for a stream that was never opened: the engine must not tell of one.
  auto& requests = clients_.at(stream.connection().id()).requests;
  requests.at(stream.id());
  requests.erase(stream.id());
}

void RequestServer::on_drain(std::chrono::milliseconds deadline) {
  record_->drains_told.push_back(worker_->index());
  record_->drain_deadlines.push_back(deadline);
}

}  // namespace knul::sim
