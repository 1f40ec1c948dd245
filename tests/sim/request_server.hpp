// The simulated server program: answers requests (request_protocol.hpp) after the delay they ask for.
#pragma once

#include <krepis/krepis.hpp>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "request_protocol.hpp"

namespace knul::sim {

// What the server's programs saw, all workers together. Outlives them.
struct ServerRecord {
  std::vector<unsigned> drains_told;  // by worker
  std::vector<std::chrono::milliseconds> drain_deadlines;
  std::uint64_t connections = 0;
  std::uint64_t connections_by_worker[8] = {};
  std::map<std::uint64_t, krepis::Connection*> open;  // by id
  std::vector<krepis::CloseReason> closed;
  std::uint64_t streams_opened = 0;
  std::uint64_t streams_closed = 0;
  std::uint64_t answers_finished = 0;  // written whole
  std::uint64_t received_bytes = 0;    // of streams
  std::set<std::string> peers;         // as Connection::peer_address showed them at each stream
};

class RequestServer final : public krepis::Application {
 public:
  explicit RequestServer(std::shared_ptr<ServerRecord> record) : record_(std::move(record)) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }
  void on_connection(krepis::Connection& connection) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_opened(krepis::Stream& stream) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_closed(krepis::Stream& stream) override;
  void on_drain(std::chrono::milliseconds deadline) override;

 private:
  struct Request {
    std::string line;
    bool is_line_complete = false;
    Checksum body;
    bool is_answering = false;
    std::uint64_t answer_bytes = 0;
    std::uint64_t sent = 0;
  };
  struct Client {
    krepis::Connection* connection;
    std::map<krepis::StreamId, Request> requests;
  };

  void answer_later(std::uint64_t connection_id, krepis::StreamId stream);
  void answer(Client& client, krepis::StreamId stream);

  std::shared_ptr<ServerRecord> record_;
  krepis::Worker* worker_ = nullptr;
  std::map<std::uint64_t, Client> clients_;
};

}  // namespace knul::sim
