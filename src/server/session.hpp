// The Application's view of a connection: krepis::Connection over quic::Connection.
#pragma once

#include <krepis/krepis.hpp>

#include "quic/connection/connection.hpp"

namespace knul::server {

// Refuses streams and counts dropped DATAGRAMs for the Application. WorkerCore implements it.
class StreamRefuser {
 public:
  virtual void refuse_stream(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) = 0;
  virtual void count_dropped_datagram() = 0;

 protected:
  ~StreamRefuser() = default;
};

// Thread: its worker's. Lifetime: that of its quic::Connection.
class Session final : public krepis::Connection {
 public:
  Session(quic::Connection& connection, StreamRefuser& refuser)
      : connection_(connection), refuser_(refuser) {}

  [[nodiscard]] std::uint64_t id() const override { return connection_.number(); }
  [[nodiscard]] std::string_view alpn() const override { return connection_.alpn(); }
  [[nodiscard]] std::string_view server_name() const override { return connection_.server_name(); }
  [[nodiscard]] std::string peer_address() const override { return connection_.path().remote.to_string(); }
  [[nodiscard]] krepis::ConnectionInfo info() const override;
  [[nodiscard]] std::uint64_t context() const override { return connection_.context(); }
  [[nodiscard]] bool is_resumed() const override { return connection_.is_resumed(); }

  krepis::Result<krepis::StreamId> open_stream(krepis::StreamDirection direction) override;
  std::size_t write(krepis::StreamId stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  std::size_t write(krepis::StreamId stream, krepis::SharedBytes bytes, krepis::Fin fin) override;
  [[nodiscard]] std::size_t writable_bytes(krepis::StreamId stream) const override;
  void consume(krepis::StreamId stream, std::size_t bytes) override;
  void reset_stream(krepis::StreamId stream, std::uint64_t code) override;
  void stop_sending(krepis::StreamId stream, std::uint64_t code) override;
  void refuse_stream(krepis::StreamId stream, std::uint64_t code) override;
  void set_priority(krepis::StreamId stream, krepis::StreamPriority priority) override;
  void drop_datagram() override { refuser_.count_dropped_datagram(); }
  void retain_stream(krepis::StreamId stream) override;
  void release_stream(krepis::StreamId stream) override;
  bool send_datagram(std::span<const std::uint8_t> bytes) override {
    return connection_.send_datagram(bytes);
  }
  krepis::DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const krepis::DatagramOptions& options) override;
  [[nodiscard]] std::size_t max_datagram_bytes() const override { return connection_.max_datagram_bytes(); }
  void close(std::uint64_t code, std::string_view reason) override { connection_.close(code, reason); }

  [[nodiscard]] quic::Connection& connection() { return connection_; }

  // Invariant: the end is reported to the Application exactly if it was told of the beginning or opened the
  // connection.
  bool is_known_to_application = false;
  bool is_closed_by_drain = false;

 private:
  [[nodiscard]] quic::Stream* find(krepis::StreamId id) const;

  quic::Connection& connection_;
  StreamRefuser& refuser_;
};

}  // namespace knul::server
