// The shares of connections in the memory for received data.
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMemory = 2 << 20;
constexpr std::uint64_t kInitial = 16 << 10;

// Uploads that use up their windows within a round trip, to a program that consumes all at once.
class Uploads {
 public:
  void begin(const char* host) {
    Connection& connection = **pair_.client->connect(
        {{*base::SocketAddress::parse(host, 40'000), EndpointPair::path().remote}, "localhost", 0},
        pair_.now);
    pair_.advance(100ms);
    uploads_.push_back({&connection, *connection.streams().open(StreamDirection::kBidirectional)});
  }
  void upload(std::size_t which, std::uint64_t bytes, base::Duration pause = base::Duration(0)) {
    const std::vector<std::uint8_t> piece(kInitial);
    Upload& upload = uploads_.at(which);
    for (std::uint64_t sent = 0; sent < bytes;) {
      sent += upload.connection->streams().write_copy(*upload.stream, piece, Fin::kNo);
      pair_.run();
      pair_.now += pause;
    }
  }
  [[nodiscard]] std::uint64_t granted() const {
    return pair_.server_counters.receive_window_granted_bytes.load();
  }

 private:
  struct Upload {
    Connection* connection;
    Stream* stream;
  };
  EndpointPair pair_{[](EndpointOptions& server, EndpointOptions& client) {
    server.receive_window_bytes = kMemory;
    server.transport.initial_max_data_bytes = kInitial;
    server.transport.initial_max_stream_data_bytes = kInitial;
    server.transport.max_window_bytes = kMemory;
    server.transport.max_stream_window_bytes = 2 * kMemory;
    client.transport.stream_send_buffer_bytes = 2 * kMemory;
  }};
  std::vector<Upload> uploads_;
};

constexpr std::uint64_t kEnough = 3 * kMemory;

TEST(ReceiveShare, OfAConnectionIsAsMuchAsItLeaves) {
  Uploads all;
  all.begin("192.0.2.1");
  all.upload(0, kEnough);
  EXPECT_GT(all.granted(), kMemory / 4);
  EXPECT_LE(all.granted(), kMemory / 2);
}

TEST(ReceiveShare, OfAnAddressLeavesAnEighthToOthers) {
  Uploads all;
  for (std::size_t i = 0; i < 6; ++i) {
    all.begin("192.0.2.1");
    all.upload(i, kEnough);
  }
  const std::uint64_t before = all.granted();
  EXPECT_GT(before, kMemory / 2);
  EXPECT_LE(before, kMemory * 7 / 8);
  all.begin("192.0.2.2");
  all.upload(6, kEnough);
  EXPECT_GT(all.granted(), before);
  EXPECT_LE(all.granted(), kMemory);
}

// The first connection has half of the memory when three others arrive, and all read equally fast.
struct FourReaders : Uploads {
  FourReaders() {
    for (const char* host : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}) {
      begin(host);
    }
    upload(0, kEnough);
    before = granted();
    for (std::uint64_t sent = 0; sent < kEnough; sent += kInitial) {
      for (std::size_t i = 0; i < 4; ++i) {
        upload(i, kInitial);
      }
    }
  }
  std::uint64_t before = 0;
};

TEST(ReceiveShare, IsGivenBackByWhoHasMoreThanTwiceWhatIsLeftHoweverFastItReads) {
  const FourReaders all;
  EXPECT_GT(all.before, kMemory * 3 / 8);
  EXPECT_GT(all.granted(), kMemory * 3 / 4);
  EXPECT_LE(all.granted(), kMemory * 7 / 8) << "else it would have kept half, and 1/16 would be left";
}

TEST(ReceiveShare, IsGivenBackByWhoReadsSlowlyWhileMemoryIsShort) {
  FourReaders all;
  const std::uint64_t before = all.granted();
  all.upload(1, kMemory / 4, 100ms);
  EXPECT_LT(all.granted(), before - kMemory / 16);
}

TEST(ReceiveShare, IsKeptByWhoReadsSlowlyWhileThereIsEnough) {
  Uploads all;
  all.begin("192.0.2.1");
  all.upload(0, kEnough);
  const std::uint64_t before = all.granted();
  all.upload(0, kEnough, 100ms);
  EXPECT_EQ(all.granted(), before);
}

}  // namespace
}  // namespace knul::quic
