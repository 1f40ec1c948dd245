// A krepis::Connection and its streams for tests of services: they record calls, and accept only as many
// bytes as the test allows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <krepis/krepis.hpp>

namespace knul::service::test_support {

class FakeStream final : public krepis::Stream {
 public:
  FakeStream(krepis::Connection& connection, krepis::StreamId id) : krepis::Stream(connection), id_(id) {}

  std::string sent;
  bool has_fin = false;
  std::size_t room = std::numeric_limits<std::size_t>::max();  // bytes that later writes accept
  std::size_t consumed = 0;
  std::optional<std::uint64_t> reset_code;
  std::optional<std::uint64_t> stop_code;
  std::size_t shared_writes = 0;
  std::size_t largest_write = 0;
  bool is_retained = false;

  [[nodiscard]] krepis::StreamId id() const override { return id_; }
  std::size_t write(std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    if (reset_code || has_fin) {
      return 0;
    }
    const std::size_t accepted = std::min(bytes.size(), room);
    room -= accepted;
    sent.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(accepted));
    has_fin = fin == krepis::Fin::kYes && accepted == bytes.size();
    largest_write = std::max(largest_write, bytes.size());
    return accepted;
  }
  std::size_t write(krepis::SharedBytes bytes, krepis::Fin fin) override {
    ++shared_writes;
    return write(bytes.bytes, fin);
  }
  [[nodiscard]] std::size_t writable_bytes() const override { return room; }
  void consume(std::size_t bytes) override { consumed += bytes; }
  void reset(std::uint64_t code) override { reset_code = code; }
  void stop_sending(std::uint64_t code) override { stop_code = code; }
  void refuse(std::uint64_t code) override { reset_code = stop_code = code; }
  void set_priority(krepis::StreamPriority /*priority*/) override {}
  void retain() override { is_retained = true; }
  void release() override { is_retained = false; }

 private:
  krepis::StreamId id_;
};

class FakeConnection final : public krepis::Connection {
 public:
  // Each stream exists from the first time that the test or the service names it.
  class Streams {
   public:
    explicit Streams(krepis::Connection& connection) : connection_(connection) {}
    FakeStream& operator[](krepis::StreamId id) {
      return by_id_.try_emplace(id, connection_, id).first->second;
    }
    [[nodiscard]] auto begin() { return by_id_.begin(); }
    [[nodiscard]] auto end() { return by_id_.end(); }

   private:
    krepis::Connection& connection_;
    std::map<krepis::StreamId, FakeStream> by_id_;
  };

  explicit FakeConnection(std::uint64_t id = 1) : id_(id) {}

  Streams streams{*this};
  std::size_t stream_credit = 100;  // for open_stream
  std::size_t failed_opens = 0;
  std::vector<std::string> datagrams;
  std::optional<std::uint64_t> close_code;

  [[nodiscard]] std::set<krepis::StreamId> retained() {
    std::set<krepis::StreamId> ids;
    for (const auto& [id, stream] : streams) {
      if (stream.is_retained) {
        ids.insert(id);
      }
    }
    return ids;
  }

  [[nodiscard]] std::uint64_t id() const override { return id_; }
  [[nodiscard]] std::string_view alpn() const override { return "test"; }
  [[nodiscard]] std::string_view server_name() const override { return {}; }
  [[nodiscard]] std::string peer_address() const override { return "127.0.0.1:1"; }
  [[nodiscard]] krepis::ConnectionInfo info() const override { return {}; }
  [[nodiscard]] std::uint64_t context() const override { return 0; }
  [[nodiscard]] bool is_resumed() const override { return false; }
  [[nodiscard]] std::optional<krepis::PeerCertificate> peer_certificate() const override {
    return std::nullopt;
  }

  krepis::Result<krepis::Stream*> open_stream(krepis::StreamDirection direction) override {
    if (stream_credit == 0) {
      ++failed_opens;
      return krepis::Error{krepis::ErrorCode::kConcurrencyLimitExceeded, "no credit"};
    }
    --stream_credit;
    const krepis::StreamId kind = direction == krepis::StreamDirection::kUnidirectional ? 3 : 1;
    krepis::Stream* const opened = &streams[kind + 4 * opened_++];
    return opened;
  }
  [[nodiscard]] krepis::Stream* find_stream(krepis::StreamId id) override { return &streams[id]; }
  void for_each_stream(const std::function<void(krepis::Stream& stream)>& visit) override {
    for (auto& [id, stream] : streams) {
      visit(stream);
    }
  }

  void drop_datagram() override {}
  bool send_datagram(std::span<const std::uint8_t> bytes) override {
    datagrams.emplace_back(bytes.begin(), bytes.end());
    return true;
  }
  krepis::DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const krepis::DatagramOptions& /*options*/) override {
    datagrams.emplace_back(bytes.begin(), bytes.end());
    return krepis::DatagramOutcome::kQueued;
  }
  [[nodiscard]] std::size_t max_datagram_bytes() const override { return 1'200; }
  void close(std::uint64_t code, std::string_view /*reason*/) override { close_code = code; }

 private:
  std::uint64_t id_;
  std::uint64_t opened_ = 0;
};

// Delivers `text` as one on_stream_data.
inline void deliver(krepis::Application& service, FakeConnection& connection, krepis::StreamId stream,
                    std::string_view text, krepis::Fin fin = krepis::Fin::kNo) {
  service.on_stream_data(connection.streams[stream],
                         std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), fin);
}

}  // namespace knul::service::test_support
