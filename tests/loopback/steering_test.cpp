#include "quic/wire/steering.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "quic/wire/connection_id.hpp"
#include "quic/wire/filter_interpreter_test_support.hpp"
#include "udp/socket_group.hpp"
#include "udp/test_support.hpp"

namespace knul::test {
namespace {

using namespace udp::test_support;
using udp::SocketGroup;
using udp::UdpSocket;

constexpr unsigned kWorkers = 4;
constexpr std::size_t kIdBytes = quic::ConnectionIdCodec::kLength;
constexpr std::uint32_t kVersion1 = 1;
constexpr std::uint32_t kVersion2 = 0x6b3343cf;

using Bytes = std::vector<std::uint8_t>;

Bytes long_header(int type, std::uint32_t version, std::uint8_t first_id_byte) {
  Bytes packet(50, 0x55);
  packet[0] = static_cast<std::uint8_t>(0xc0 | (type << 4));
  for (int i = 0; i < 4; ++i) {
    packet[static_cast<std::size_t>(1 + i)] = static_cast<std::uint8_t>(version >> (24 - 8 * i));
  }
  packet[5] = kIdBytes;
  packet[6] = first_id_byte;
  return packet;
}

class KernelSteering : public ::testing::Test {
 protected:
  UdpSocket open_client() { return UdpSocket::open({.address = address("127.0.0.1")}, log_).value(); }

  // The worker whose socket a packet of this client reaches.
  std::size_t worker_of(const UdpSocket& client, const Bytes& packet) {
    const base::SocketAddress& to = group_.local_address();
    EXPECT_EQ(sendto(client.fd(), packet.data(), packet.size(), 0, to.data(), to.size()),
              static_cast<ssize_t>(packet.size()));
    std::array<pollfd, kWorkers> entries{};
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      entries[worker] = {group_.receive_socket(worker)->fd(), POLLIN, 0};
    }
    EXPECT_EQ(poll(entries.data(), entries.size(), 5'000), 1);
    for (std::size_t worker = 0; worker < kWorkers; ++worker) {
      if (entries[worker].revents != 0) {
        (void)group_.receive_socket(worker)->receive(batch_, counters_);
        return worker;
      }
    }
    return kWorkers;
  }

  const std::vector<sock_filter> program_ = quic::steering_program(kWorkers);
  base::NullLogSink log_;
  stats::WorkerCounters counters_;
  udp::ReceiveBatch batch_;
  SocketGroup group_ =
      SocketGroup::open(
          {.socket = {.address = address("127.0.0.1")}, .workers = kWorkers, .steering_program = program_},
          log_)
          .value();
};

TEST_F(KernelSteering, BringsEveryShortHeaderPacketToTheWorkerInItsId) {
  const UdpSocket client = open_client();
  for (std::size_t i = 0; i < 2'000; ++i) {
    Bytes bytes = packet(i * 7, 60);
    bytes[0] &= 0x7f;
    ASSERT_EQ(worker_of(client, bytes), bytes[1] % kWorkers) << "packet " << i;
  }
}

TEST_F(KernelSteering, BringsHandshakePacketsToTheWorkerInTheirId) {
  const UdpSocket client = open_client();
  for (std::size_t id = 0; id < 256; ++id) {
    const auto first = static_cast<std::uint8_t>(id);
    ASSERT_EQ(worker_of(client, long_header(2, kVersion1, first)), id % kWorkers);
    ASSERT_EQ(worker_of(client, long_header(3, kVersion2, first)), id % kWorkers);
  }
}

TEST_F(KernelSteering, RunsTheProgramAsTheInterpreterDoes) {
  const UdpSocket client = open_client();
  const std::size_t hashed = worker_of(client, {});  // where this client goes without a worker in the packet
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 3'000; ++i) {
    const std::array versions = {kVersion1, kVersion2, 0U, kVersion1 + 1};
    Bytes bytes = long_header(static_cast<int>(random() % 4), versions[random() % 4],
                              static_cast<std::uint8_t>(random()));
    bytes[0] ^= static_cast<std::uint8_t>(random() % 8 == 0 ? random() : 0);
    bytes[5] = static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 21 : kIdBytes);
    bytes.resize(random() % 40);
    const std::uint32_t named = quic::run_filter(program_, bytes).value();
    ASSERT_EQ(worker_of(client, bytes), named == quic::kNoWorker ? hashed : named) << "seed " << seed;
  }
}

TEST_F(KernelSteering, SpreadsInitialPacketsOfManyClientsOverAllWorkers) {
  std::set<std::size_t> reached;
  for (int i = 0; i < 200 && reached.size() < kWorkers; ++i) {
    const UdpSocket client = open_client();
    reached.insert(worker_of(client, long_header(0, kVersion1, 0)));
  }
  EXPECT_EQ(reached.size(), kWorkers);
}

}  // namespace
}  // namespace knul::test
