// The simulated client program: makes the requests it was given on each connection and checks every byte of
// their answers.
#pragma once

#include <krepis/krepis.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "request_protocol.hpp"

namespace knul::sim {

struct Request {
  std::uint64_t upload_bytes = 0;
  std::uint64_t answer_bytes = 0;
  base::Duration server_delay{};

  // What became of it.
  bool is_started = false;
  bool is_complete = false;  // the FIN came and every byte was right
  std::uint64_t wrong_bytes = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::optional<std::uint64_t> reset_code = std::nullopt;
  std::optional<std::uint64_t> stop_code = std::nullopt;
  base::Duration completed_at{};
};

enum class WhenDone : bool { kStay, kClose };

// One connection: its plan and its fate. Lifetime: outlives the program.
struct ConnectionRecord {
  std::vector<Request> requests;
  WhenDone when_done = WhenDone::kStay;
  bool is_reading = true;  // false: no flow-control credit goes back

  bool is_connected = false;
  base::Duration begun_at{};
  std::optional<krepis::CloseReason> closed;
  base::Duration closed_at{};
  krepis::Connection* connection = nullptr;  // while it is open

  [[nodiscard]] std::size_t completed() const;
  // For a failing test.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] bool is_done() const { return completed() == requests.size(); }
  [[nodiscard]] bool was_closed_with(krepis::CloseReason::Source source, std::uint64_t code) const {
    return closed.has_value() && closed->source == source && closed->code == code;
  }
};

// `records` by Connection::context.
class RequestClient final : public krepis::Application {
 public:
  explicit RequestClient(std::vector<std::unique_ptr<ConnectionRecord>>& records) : records_(records) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }
  void on_connection(krepis::Connection& connection) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;

  // Opens streams for all requests that are not started, as far as there is credit.
  void start_requests(krepis::Connection& connection);

 private:
  struct Exchange {
    Request* request;
    std::string line;
    Checksum sent_body;
  };
  ConnectionRecord& record_of(const krepis::Connection& connection) {
    return *records_.at(connection.context());
  }
  static Exchange& exchange_of(const krepis::Stream& stream) {
    return *static_cast<Exchange*>(stream.user());
  }
  static void write(krepis::Stream& stream);
  static void check(Exchange& exchange, std::span<const std::uint8_t> bytes);

  std::vector<std::unique_ptr<ConnectionRecord>>& records_;
  krepis::Worker* worker_ = nullptr;
  std::deque<Exchange> exchanges_;  // the user words of streams lead to them
};

}  // namespace knul::sim
