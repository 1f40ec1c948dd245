#include <gtest/gtest.h>

#include "udp/test_support.hpp"

namespace knul::udp {
namespace {

using namespace test_support;

struct Offload {
  const char* name;
  const char* ip;
  bool gso;
  bool gro;
};

class UdpRoundTrip : public ::testing::TestWithParam<Offload> {
 protected:
  void SetUp() override {
    if (address(GetParam().ip).is_v6() && !has_ipv6()) {
      GTEST_SKIP() << "no IPv6 here";
    }
  }

  UdpSocket open(const char* ip) {
    SocketOptions options{.address = address(ip), .receive_buffer_bytes = 1 << 20};
    options.use_gso = GetParam().gso;
    options.use_gro = GetParam().gro;
    return UdpSocket::open(options, log_).value();
  }

  base::NullLogSink log_;
  stats::WorkerCounters counters_;
  base::SendBatch batch_{base::SendBatch::Limits{}};
  SendCursor cursor_;
};

TEST_P(UdpRoundTrip, DeliversTrainsOfEverySizePacketByPacket) {
  UdpSocket sender = open(GetParam().ip);
  UdpSocket receiver = open(GetParam().ip);
  const base::Path path{sender.local_address(), receiver.local_address()};
  std::vector<std::vector<std::uint8_t>> sent;
  for (const std::size_t bytes : {1U, 45U, 1'200U, 1'452U, 1'452U, 9'000U}) {
    for (std::size_t i = 0; i < 44; ++i) {
      if (bytes * (i + 1) < 65'000 && batch_.room().size() > 2 * bytes) {
        sent.push_back(packet(sent.size(), bytes));
        append(batch_, path, sent.back());
      }
    }
    sent.push_back(packet(sent.size(), (bytes + 1) / 2));  // a short one ends the train
    append(batch_, path, sent.back());
  }
  EXPECT_EQ(sender.send(batch_, cursor_, counters_).status, SendStatus::kDone);
  const auto received = receive(receiver, sent.size(), counters_);
  ASSERT_EQ(received.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(received[i].payload, sent[i]) << "packet " << i;
    EXPECT_EQ(received[i].path.remote, sender.local_address());
    EXPECT_EQ(received[i].path.local, receiver.local_address());
  }
  EXPECT_EQ(counters_.udp_datagrams_sent.load(), sent.size());
  EXPECT_EQ(counters_.udp_datagrams_received.load(), sent.size());
  EXPECT_EQ(counters_.udp_bytes_received.load(), counters_.udp_bytes_sent.load());
}

TEST_P(UdpRoundTrip, OneSystemCallSendsATrainWhereSegmentationIsOffloaded) {
  UdpSocket sender = open(GetParam().ip);
  UdpSocket receiver = open(GetParam().ip);
  for (std::size_t i = 0; i < 40; ++i) {
    append(batch_, {sender.local_address(), receiver.local_address()}, packet(i, 1'452));
  }
  (void)sender.send(batch_, cursor_, counters_);
  EXPECT_EQ(receive(receiver, 40, counters_).size(), 40U);
  EXPECT_EQ(counters_.udp_send_calls.load(), 1U);
  EXPECT_EQ(counters_.udp_gro_trains_received.load() > 0, GetParam().gso && GetParam().gro);
}

TEST_P(UdpRoundTrip, CarriesEveryEcnMark) {
  UdpSocket sender = open(GetParam().ip);
  UdpSocket receiver = open(GetParam().ip);
  const std::vector marks = {base::Ecn::kNotEct, base::Ecn::kEct1, base::Ecn::kEct0, base::Ecn::kCe};
  for (const base::Ecn mark : marks) {
    append(batch_, {sender.local_address(), receiver.local_address()}, packet(0, 100), mark);
    append(batch_, {sender.local_address(), receiver.local_address()}, packet(1, 100), mark);
  }
  (void)sender.send(batch_, cursor_, counters_);
  const auto received = receive(receiver, 8, counters_);
  ASSERT_EQ(received.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(received[i].ecn, marks[i / 2]);
  }
}

INSTANTIATE_TEST_SUITE_P(Offloads, UdpRoundTrip,
                         ::testing::Values(Offload{"V4", "127.0.0.1", true, true},
                                           Offload{"V6", "::1", true, true},
                                           Offload{"V4WithoutGro", "127.0.0.1", true, false},
                                           Offload{"V4WithoutGso", "127.0.0.1", false, true},
                                           Offload{"V6WithoutBoth", "::1", false, false}),
                         [](const auto& test) { return std::string(test.param.name); });

class WildcardSocket : public ::testing::Test {
 protected:
  // A client sends to `called` and the port of a wildcard socket. Returns the source of the answer.
  base::SocketAddress source_of_answer(const char* wildcard, const char* called, const char* client_ip) {
    UdpSocket server = UdpSocket::open({.address = address(wildcard)}, log_).value();
    UdpSocket client = UdpSocket::open({.address = address(client_ip)}, log_).value();
    called_ = address(called, server.local_address().port());
    send(client, {client.local_address(), called_});
    const auto asked = receive(server, 1, counters_);
    EXPECT_EQ(asked.at(0).path.local, called_);
    send(server, asked.at(0).path);
    return receive(client, 1, counters_).at(0).path.remote;
  }

  void send(UdpSocket& socket, const base::Path& path) {
    base::SendBatch batch{base::SendBatch::Limits{}};
    append(batch, path, packet(1, 20));
    SendCursor cursor;
    (void)socket.send(batch, cursor, counters_);
  }

  base::NullLogSink log_;
  stats::WorkerCounters counters_;
  base::SocketAddress called_;
};

TEST_F(WildcardSocket, AnswersFromTheIpv4AddressThatWasCalled) {
  EXPECT_EQ(source_of_answer("0.0.0.0", "127.0.0.2", "127.0.0.1"), called_);
}

TEST_F(WildcardSocket, AnswersFromTheIpv6AddressThatWasCalled) {
  if (!has_ipv6()) {
    GTEST_SKIP() << "no IPv6 here";
  }
  EXPECT_EQ(source_of_answer("::", "::1", "::1"), called_);
}

TEST_F(WildcardSocket, OfIpv6LeavesThePortOfIpv4Free) {
  if (!has_ipv6()) {
    GTEST_SKIP() << "no IPv6 here";
  }
  UdpSocket v6 = UdpSocket::open({.address = address("::")}, log_).value();
  EXPECT_TRUE(UdpSocket::open({.address = address("0.0.0.0", v6.local_address().port())}, log_));
}

}  // namespace
}  // namespace knul::udp
