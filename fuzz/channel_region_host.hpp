// What channel_region_fuzz damages nothing of: a server, an honest channel that sends back what it gets, a
// peer of it, and a client that makes load for whoever has its connections. One of each in a process.
#pragma once

#include <krepis/krepis.h>

#include <chrono>
#include <cstring>
#include <krepis/krepis.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "abi/peer.h"
#include "input.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace knul::fuzz {

// Streams, datagrams and resets on all connections of one client.
class Load {
 public:
  explicit Load(std::uint16_t port) : port_(port) {
    krepis::ClientOptions options;
    options.verify_peer = false;
    auto started = krepis::QuicClient::start(options, std::make_unique<Listener>(*this));
    FUZZ_CHECK(started);
    client_ = *std::move(started);
  }
  void connect() { FUZZ_CHECK(client_->connect("127.0.0.1", port_, "localhost", 0)); }
  void push(std::uint8_t what, std::uint64_t length) {
    client_->post([this, what, bytes = Bytes(length % 8'192 + 1)] {
      for (krepis::Connection* const connection : std::vector(connections_)) {
        push_to(*connection, what, bytes);
      }
    });
  }
  void close_all() {
    client_->post([this] {
      for (krepis::Connection* const connection : std::vector(connections_)) {
        connection->close(0, "");
      }
    });
  }

 private:
  // Thread: the client's.
  class Listener final : public krepis::Application {
   public:
    explicit Listener(Load& load) : load_(load) {}
    void on_connection(krepis::Connection& connection) override {
      load_.connections_.push_back(&connection);
      for (std::uint8_t what = 0; what < 4; ++what) {
        push_to(connection, what, Bytes(500));
      }
    }
    void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason&) override {
      std::erase(load_.connections_, &connection);
    }
    void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin) override {
      stream.consume(bytes.size());
    }

   private:
    Load& load_;
  };

  static void push_to(krepis::Connection& connection, std::uint8_t what, const Bytes& bytes) {
    if (what % 4 == 1) {
      (void)connection.send_datagram(std::span(bytes).first(std::min<std::size_t>(bytes.size(), 1'000)));
      return;
    }
    const auto stream = connection.open_stream((what & 4) != 0 ? krepis::StreamDirection::kUnidirectional
                                                               : krepis::StreamDirection::kBidirectional);
    if (stream) {
      (void)(*stream)->write(bytes, what % 4 == 0 ? krepis::Fin::kYes : krepis::Fin::kNo);
      if (what % 4 == 2) {
        (*stream)->reset(what);
      }
    }
  }

  std::uint16_t port_;
  std::vector<krepis::Connection*> connections_;  // Thread: the client's
  std::unique_ptr<krepis::QuicClient> client_;    // last: joins the thread that uses the others
};

class Host {
 public:
  Host() : server_(start()), load_(krepis_quic_port(server_)) {
    FUZZ_CHECK(krepis_channel_open(server_, nullptr, &region_) == KREPIS_SUCCESS);
    FUZZ_CHECK((peer_ = peer_connect(krepis_quic_port(server_))) != nullptr);
    expect_echo();  // before another channel could get this connection
  }
  ~Host() {
    peer_free(peer_);
    FUZZ_CHECK(krepis_channel_close(region_.channel) == KREPIS_SUCCESS);
    FUZZ_CHECK(krepis_channel_unmap(region_.channel) == KREPIS_SUCCESS);
    // The load may still have open streams, which the close of their channel cuts: the drain is not clean
    // then.
    const std::uint32_t code = krepis_quic_stop(server_).error_code;
    FUZZ_CHECK(code == KREPIS_SUCCESS || code == KREPIS_TIMEOUT);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] std::uint64_t server() const { return server_; }
  [[nodiscard]] std::uint32_t honest_channel() const { return region_.channel; }
  Load& load() { return load_; }

  // The peer sends a stream; everything that the honest channel got meanwhile is echoed until that is.
  void expect_echo() {
    constexpr std::uint64_t kLength = 3'000;
    const std::int64_t stream = peer_open(peer_, 0);
    FUZZ_CHECK(stream >= 0 && peer_write(peer_, stream, kLength, 1) == 0);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
    while (!echo(stream)) {
      FUZZ_CHECK(std::chrono::steady_clock::now() < deadline);
      FUZZ_CHECK(krepis_channel_wait(region_.channel, 100) >= 0);
    }
    std::uint64_t length = 0;
    FUZZ_CHECK(peer_wait_fin(peer_, stream, &length) == 0 && length == kLength);
  }

 private:
  static std::uint64_t start() {
    static const test::TemporaryFolder folder;
    KnulTestCertificateFiles files;
    FUZZ_CHECK(knul_test_write_certificates(folder.path().c_str(), "fuzz", nullptr, &files) == 0);
    const std::string json = nlohmann::json{
        {"port", 0},
        {"cert_path", files.cert_path},
        {"key_path", files.key_path},
        {"workers", 2}}.dump();
    const FfiResponse started = krepis_quic_start_json(json.data(), json.size());
    FUZZ_CHECK(started.error_code == KREPIS_SUCCESS);
    std::uint64_t server = 0;
    std::memcpy(&server, started.result_buffer.data, sizeof server);
    return server;
  }
  // True when the peer's stream was among what ended.
  bool echo(std::int64_t awaited) {
    bool has_ended = false;
    for (std::uint32_t i = 0; i < region_.rings; ++i) {
      std::uint8_t* const ring = region_.base + region_.ring_offset + i * region_.ring_stride;
      const std::uint32_t tail = __atomic_load_n(reinterpret_cast<std::uint32_t*>(ring), __ATOMIC_ACQUIRE);
      auto* const head = reinterpret_cast<std::uint32_t*>(ring + 64);
      for (; *head != tail; __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE)) {
        FfiEvent event;
        std::memcpy(&event, ring + 256 + std::size_t{*head % region_.ring_records} * sizeof event,
                    sizeof event);
        has_ended = answer(event, awaited) || has_ended;
      }
    }
    return has_ended;
  }
  bool answer(const FfiEvent& event, std::int64_t awaited) {
    FUZZ_CHECK(event.type != KREPIS_EVENT_CHANNEL_CLOSED);
    // The peer's is the first connection of the process.
    honest_connection_ = honest_connection_ == 0 ? event.connection : honest_connection_;
    const bool is_data = event.type == KREPIS_EVENT_STREAM_DATA;
    const bool has_fin = is_data && (event.flags & KREPIS_FLAG_FIN) != 0;
    if (is_data) {
      krepis_stream_write(region_.channel, event.stream, region_.base + region_.arena_offset + event.offset,
                          event.length, has_fin ? KREPIS_WRITE_FIN : 0);
    }
    if (event.length > 0) {
      FUZZ_CHECK(krepis_channel_release(region_.channel, &event.offset, 1) == KREPIS_SUCCESS);
    }
    return has_fin && event.connection == honest_connection_ &&
           static_cast<std::int64_t>(event.stream_id) == awaited;
  }

  std::uint64_t server_;
  Load load_;
  FfiChannelRegion region_{};
  Peer* peer_ = nullptr;
  std::uint32_t honest_connection_ = 0;
};

}  // namespace knul::fuzz
