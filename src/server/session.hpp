// The Application's view of a connection and its streams: krepis::Connection over quic::Connection,
// krepis::Stream over quic::Stream.
#pragma once

#include <krepis/krepis.hpp>

#include <memory>
#include <new>
#include <type_traits>

#include "quic/connection/connection.hpp"
#include "stats/latency_sketch.hpp"

namespace knul::server {

// Refuses streams and counts dropped DATAGRAMs for the Application. WorkerCore implements it.
class StreamRefuser {
 public:
  virtual void refuse_stream(quic::Connection& connection, quic::Stream& stream, std::uint64_t code) = 0;
  virtual void count_dropped_datagram() = 0;

 protected:
  ~StreamRefuser() = default;
};

class Session;

// Lies within its quic::Stream, so a stream costs no further allocation.
// Thread: its worker's. Lifetime: that of its quic::Stream. Nothing runs at its end.
class StreamSession final : public krepis::Stream {
 public:
  enum class State : std::uint8_t {
    kOrdinary,
    kRequestPending,    // an open request
    kRequestCancelled,  // an open request that the client has reset
    kRefused,           // the Application does not know the stream, or has refused it
  };

  // Called once for each stream, before any other function here sees it.
  static StreamSession& create(Session& session, quic::Stream& stream) noexcept {
    return *std::construct_at(reinterpret_cast<StreamSession*>(&stream.above), session, stream);
  }
  [[nodiscard]] static StreamSession& of(quic::Stream& stream) {
    return *std::launder(reinterpret_cast<StreamSession*>(&stream.above));
  }
  StreamSession(Session& session, quic::Stream& stream) noexcept;

  [[nodiscard]] krepis::StreamId id() const override { return static_cast<krepis::StreamId>(stream_.id); }
  std::size_t write(std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  std::size_t write(krepis::SharedBytes bytes, krepis::Fin fin) override;
  [[nodiscard]] std::size_t writable_bytes() const override;
  void consume(std::size_t bytes) override;
  void reset(std::uint64_t code) override;
  void stop_sending(std::uint64_t code) override;
  void refuse(std::uint64_t code) override;
  void set_priority(krepis::StreamPriority priority) override;
  void retain() override;
  void release() override;

  [[nodiscard]] bool has_open_request() const {
    return state == State::kRequestPending || state == State::kRequestCancelled;
  }

  State state = State::kOrdinary;

 private:
  [[nodiscard]] Session& session() const;
  [[nodiscard]] quic::StreamSet& streams() const;

  quic::Stream& stream_;
};

static_assert(sizeof(StreamSession) <= sizeof(quic::Stream::AboveSpace) &&
              alignof(StreamSession) <= alignof(quic::Stream::AboveSpace));
static_assert(std::is_trivially_destructible_v<StreamSession>);

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
  [[nodiscard]] std::optional<krepis::PeerCertificate> peer_certificate() const override;

  krepis::Result<krepis::Stream*> open_stream(krepis::StreamDirection direction) override;
  [[nodiscard]] krepis::Stream* find_stream(krepis::StreamId id) override;
  void for_each_stream(const std::function<void(krepis::Stream& stream)>& visit) override;

  void drop_datagram() override { refuser_.count_dropped_datagram(); }
  bool send_datagram(std::span<const std::uint8_t> bytes) override {
    return connection_.send_datagram(bytes);
  }
  krepis::DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const krepis::DatagramOptions& options) override;
  [[nodiscard]] std::size_t max_datagram_bytes() const override { return connection_.max_datagram_bytes(); }
  void close(std::uint64_t code, std::string_view reason) override { connection_.close(code, reason); }

  [[nodiscard]] quic::Connection& connection() { return connection_; }
  // Without memory for the first latency none is recorded.
  void record_request_latency(base::Duration latency) noexcept {
    if (request_latency_ == nullptr) {
      request_latency_.reset(new (std::nothrow) stats::LatencySketch);
    }
    if (request_latency_ != nullptr) {
      request_latency_->record(latency);
    }
  }
  // Null before the first completed request.
  [[nodiscard]] const stats::LatencySketch* request_latency() const { return request_latency_.get(); }
  void refuse(quic::Stream& stream, std::uint64_t code) { refuser_.refuse_stream(connection_, stream, code); }

  // Invariant: the end is reported to the Application exactly if it was told of the beginning or opened the
  // connection.
  bool is_known_to_application = false;

 private:
  quic::Connection& connection_;
  StreamRefuser& refuser_;
  std::unique_ptr<stats::LatencySketch> request_latency_;  // many connections never serve a request
};

inline StreamSession::StreamSession(Session& session, quic::Stream& stream) noexcept
    : krepis::Stream(session), stream_(stream) {}

}  // namespace knul::server
