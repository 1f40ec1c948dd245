// A krepis::Connection for tests of services: records its calls, and accepts only as many bytes as the test
// allows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <krepis/krepis.hpp>

namespace knul::service::test_support {

struct FakeStream {
  std::string sent;
  bool has_fin = false;
  std::size_t room = std::numeric_limits<std::size_t>::max();  // bytes that later writes accept
  std::size_t consumed = 0;
  std::optional<std::uint64_t> reset_code;
  std::optional<std::uint64_t> stop_code;
  std::size_t shared_writes = 0;
  std::size_t largest_write = 0;
};

class FakeConnection final : public krepis::Connection {
 public:
  explicit FakeConnection(std::uint64_t id = 1) : id_(id) {}

  std::map<krepis::StreamId, FakeStream> streams;
  std::size_t stream_credit = 100;  // for open_stream
  std::size_t failed_opens = 0;
  std::set<krepis::StreamId> retained;
  std::vector<std::string> datagrams;
  std::optional<std::uint64_t> close_code;

  [[nodiscard]] std::uint64_t id() const override { return id_; }
  [[nodiscard]] std::string_view alpn() const override { return "test"; }
  [[nodiscard]] std::string_view server_name() const override { return {}; }
  [[nodiscard]] std::string peer_address() const override { return "127.0.0.1:1"; }
  [[nodiscard]] krepis::ConnectionInfo info() const override { return {}; }
  [[nodiscard]] std::uint64_t context() const override { return 0; }
  [[nodiscard]] bool is_resumed() const override { return false; }

  krepis::Result<krepis::StreamId> open_stream(krepis::StreamDirection direction) override {
    if (stream_credit == 0) {
      ++failed_opens;
      return krepis::Error{krepis::ErrorCode::kConcurrencyLimitExceeded, "no credit"};
    }
    --stream_credit;
    const krepis::StreamId kind = direction == krepis::StreamDirection::kUnidirectional ? 3 : 1;
    return kind + 4 * opened_++;
  }

  std::size_t write(krepis::StreamId stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    FakeStream& state = streams[stream];
    if (state.reset_code || state.has_fin) {
      return 0;
    }
    const std::size_t accepted = std::min(bytes.size(), state.room);
    state.room -= accepted;
    state.sent.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(accepted));
    state.has_fin = fin == krepis::Fin::kYes && accepted == bytes.size();
    state.largest_write = std::max(state.largest_write, bytes.size());
    return accepted;
  }
  std::size_t write(krepis::StreamId stream, krepis::SharedBytes bytes, krepis::Fin fin) override {
    ++streams[stream].shared_writes;
    return write(stream, bytes.bytes, fin);
  }
  [[nodiscard]] std::size_t writable_bytes(krepis::StreamId stream) const override {
    const auto found = streams.find(stream);
    return found == streams.end() ? std::numeric_limits<std::size_t>::max() : found->second.room;
  }

  void consume(krepis::StreamId stream, std::size_t bytes) override { streams[stream].consumed += bytes; }
  void reset_stream(krepis::StreamId stream, std::uint64_t code) override {
    streams[stream].reset_code = code;
  }
  void stop_sending(krepis::StreamId stream, std::uint64_t code) override {
    streams[stream].stop_code = code;
  }

  void refuse_stream(krepis::StreamId stream, std::uint64_t code) override {
    streams[stream].reset_code = streams[stream].stop_code = code;
  }
  void set_priority(krepis::StreamId /*stream*/, krepis::StreamPriority /*priority*/) override {}
  void drop_datagram() override {}
  void retain_stream(krepis::StreamId stream) override { retained.insert(stream); }
  void release_stream(krepis::StreamId stream) override { retained.erase(stream); }

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
inline void deliver(krepis::Application& service, krepis::Connection& connection, krepis::StreamId stream,
                    std::string_view text, krepis::Fin fin = krepis::Fin::kNo) {
  service.on_stream_data(connection, stream,
                         std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), fin);
}

}  // namespace knul::service::test_support
