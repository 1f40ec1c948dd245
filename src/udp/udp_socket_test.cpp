#include "udp/udp_socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "udp/test_support.hpp"

namespace knul::udp {
namespace {

using namespace test_support;

class Socket : public ::testing::Test {
 protected:
  base::Error open_error(const base::SocketAddress& at) {
    const auto socket = UdpSocket::open({.address = at}, log_, calls_);
    return socket ? base::Error{} : socket.error();
  }
  static bool contains(const base::Error& error, const std::string& part) {
    return error.message.find(part) != std::string::npos;
  }
  static int option(const UdpSocket& socket, int level, int name) {
    int value = -1;
    socklen_t length = sizeof(value);
    getsockopt(socket.fd(), level, name, &value, &length);
    return value;
  }

  base::NullLogSink log_;
  FaultyCalls calls_;
  stats::WorkerCounters counters_;
};

TEST_F(Socket, GetsAnEphemeralPortForPortZero) {
  const auto socket = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  EXPECT_NE(socket.local_address().port(), 0);
  EXPECT_EQ(socket.local_address().ip_to_string(), "127.0.0.1");
}

TEST_F(Socket, IsCloseOnExecNonBlockingAndNeverFragments) {
  const auto socket = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  EXPECT_NE(fcntl(socket.fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(socket.fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(option(socket, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
}

TEST_F(Socket, OfIpv6AcceptsIpv6OnlyAndNeverFragments) {
  if (!has_ipv6()) {
    GTEST_SKIP() << "no IPv6 here";
  }
  const auto socket = UdpSocket::open({.address = address("::1")}, log_).value();
  EXPECT_EQ(option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE);
  EXPECT_EQ(option(socket, IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST_F(Socket, ReportsTheBuffersThatTheKernelGranted) {
  const auto socket = UdpSocket::open(
      {.address = address("127.0.0.1"), .send_buffer_bytes = 100'000, .receive_buffer_bytes = 150'000}, log_);
  EXPECT_EQ(socket->send_buffer().asked_bytes, 100'000U);
  EXPECT_EQ(socket->send_buffer().got_bytes, 100'000U);
  EXPECT_EQ(socket->receive_buffer().got_bytes, 150'000U);
  EXPECT_EQ(option(*socket, SOL_SOCKET, SO_RCVBUF), 300'000);
}

TEST_F(Socket, KnowsNoLimitWhereTheKernelShowsNone) {
  EXPECT_EQ(SocketCalls::system().core_limit("no_such_limit"), 0U);
}

TEST_F(Socket, RequestsBuffersWithoutPrivilegeWhenForcingIsRefused) {
  calls_.option_errors = {{SO_RCVBUFFORCE, EPERM}, {SO_SNDBUFFORCE, EPERM}};
  const auto socket =
      UdpSocket::open({.address = address("127.0.0.1"), .receive_buffer_bytes = 100'000}, log_, calls_);
  EXPECT_EQ(socket->receive_buffer().got_bytes, 100'000U);
}

TEST_F(Socket, WorksWithoutOffloadsWhereTheKernelHasNone) {
  calls_.option_errors = {{UDP_SEGMENT, ENOPROTOOPT}, {UDP_GRO, ENOPROTOOPT}};
  const auto socket = UdpSocket::open({.address = address("127.0.0.1")}, log_, calls_);
  ASSERT_TRUE(socket);
  EXPECT_FALSE(socket->features().gso);
  EXPECT_FALSE(socket->features().gro);
}

TEST_F(Socket, ReportsAnAddressInUseAsANetworkErrorWithAddressPortAndCause) {
  const auto first = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  const std::size_t before = open_descriptors();
  const base::Error error = open_error(first.local_address());
  EXPECT_EQ(error.kind, base::ErrorKind::kNetwork);
  EXPECT_TRUE(contains(error, "127.0.0.1 port " + std::to_string(first.local_address().port())))
      << error.message;
  EXPECT_TRUE(contains(error, "Address already in use")) << error.message;
  EXPECT_TRUE(error.message.starts_with("port: ")) << error.message;
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Socket, ReportsAnAddressOfAnotherMachineAsANetworkError) {
  const base::Error error = open_error(address("192.0.2.1"));
  EXPECT_EQ(error.kind, base::ErrorKind::kNetwork);
  EXPECT_TRUE(contains(error, "no interface")) << error.message;
}

TEST_F(Socket, ReportsAPrivilegedPortAsANetworkErrorWithAHint) {
  calls_.bind_error = EACCES;
  const base::Error error = open_error(address("127.0.0.1", 443));
  EXPECT_EQ(error.kind, base::ErrorKind::kNetwork);
  EXPECT_TRUE(contains(error, "port 443")) << error.message;
  EXPECT_TRUE(contains(error, "CAP_NET_BIND_SERVICE")) << error.message;
}

TEST_F(Socket, ReportsAQuotaErrorWithoutDescriptors) {
  for (const int error : {EMFILE, ENFILE}) {
    calls_.open_errors = {error};
    EXPECT_EQ(open_error(address("127.0.0.1")).kind, base::ErrorKind::kQuota);
  }
}

TEST_F(Socket, DeliversAnEmptyDatagramAsSuch) {
  auto receiver = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  const auto sender = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  const base::SocketAddress& to = receiver.local_address();
  for (const std::size_t bytes : {3U, 0U, 3U}) {
    ASSERT_EQ(sendto(sender.fd(), "abc", bytes, 0, to.data(), to.size()), static_cast<ssize_t>(bytes));
  }
  const auto received = receive(receiver, 3, counters_);
  ASSERT_EQ(received.size(), 3U);
  EXPECT_EQ(received[1].payload.size(), 0U);
  EXPECT_EQ(received[1].path.remote, sender.local_address());
  EXPECT_EQ(received[2].payload.size(), 3U);
  EXPECT_EQ(counters_.udp_datagrams_received.load(), 3U);
}

class UdpReceive : public Socket {
 protected:
  void send_one() {
    const base::SocketAddress& to = receiver_.local_address();
    ASSERT_EQ(sendto(receiver_.fd(), "abc", 3, 0, to.data(), to.size()), 3);
    ASSERT_TRUE(wait_readable(receiver_));
  }
  std::size_t count_datagrams() {
    std::size_t count = 0;
    while (batch_.next() != nullptr) {
      ++count;
    }
    return count;
  }

  UdpSocket receiver_ = UdpSocket::open({.address = address("127.0.0.1")}, log_, calls_).value();
  ReceiveBatch batch_{2};
};

TEST_F(UdpReceive, FindsNothingOnAnIdleSocket) {
  const ReceiveOutcome outcome = receiver_.receive(batch_, counters_);
  EXPECT_EQ(outcome.messages, 0U);
  EXPECT_TRUE(outcome.is_drained);
  EXPECT_EQ(batch_.next(), nullptr);
}

TEST_F(UdpReceive, SaysWhetherMoreMayBeWaiting) {
  for (int i = 0; i < 3; ++i) {
    send_one();
  }
  EXPECT_FALSE(receiver_.receive(batch_, counters_).is_drained);
  EXPECT_EQ(count_datagrams(), 2U);
  EXPECT_TRUE(receiver_.receive(batch_, counters_).is_drained);
  EXPECT_EQ(count_datagrams(), 1U);
}

TEST_F(UdpReceive, DropsAndCountsTruncatedMessages) {
  send_one();
  calls_.truncates = true;
  (void)receiver_.receive(batch_, counters_);
  EXPECT_EQ(batch_.next(), nullptr);
  EXPECT_EQ(counters_.udp_receive_truncated.load(), 1U);
  EXPECT_EQ(counters_.udp_datagrams_received.load(), 0U);
}

TEST_F(UdpReceive, CountsWhatTheKernelDroppedForWantOfRoom) {
  constexpr std::uint64_t kRounds = 3;
  constexpr std::uint64_t kSent = 400;
  UdpSocket small =
      UdpSocket::open({.address = address("127.0.0.1"), .receive_buffer_bytes = 8'192}, log_).value();
  UdpSocket sender = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  const base::Path path{sender.local_address(), small.local_address()};
  stats::WorkerCounters sent;
  const auto send = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      base::SendBatch batch{base::SendBatch::Limits{}};
      append(batch, path, packet(i, 1'000));
      SendCursor cursor;
      ASSERT_EQ(sender.send(batch, cursor, sent).status, SendStatus::kDone);
    }
  };
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    send(kSent);
    std::uint64_t before = 0;
    do {  // loopback delivers before send() returns
      before = counters_.udp_datagrams_received.load();
      (void)small.receive(batch_, counters_);
    } while (counters_.udp_datagrams_received.load() > before);
    // A message has the number of drops at the time when it was queued, so the next message shows them.
    send(1);
    (void)small.receive(batch_, counters_);
    EXPECT_EQ(counters_.udp_datagrams_received.load() + counters_.udp_receive_dropped.load(),
              round * (kSent + 1));
    EXPECT_GT(counters_.udp_receive_dropped.load(), 0U);
  }
}

TEST_F(UdpReceive, LooksAgainAfterARefusalOfAnEarlierPacket) {
  send_one();
  calls_.receive_errors = {ECONNREFUSED, EINTR};
  (void)receiver_.receive(batch_, counters_);
  EXPECT_EQ(count_datagrams(), 1U);
  EXPECT_EQ(counters_.udp_receive_errors.load(), 0U);
}

TEST_F(UdpReceive, CountsOtherErrorsAndGoesOn) {
  send_one();
  calls_.receive_errors = {EHOSTUNREACH};
  (void)receiver_.receive(batch_, counters_);
  EXPECT_EQ(count_datagrams(), 1U);
  EXPECT_EQ(counters_.udp_receive_errors.load(), 1U);
}

TEST_F(UdpReceive, EndsWhenEveryReceiveFails) {
  calls_.receive_errors = std::deque<int>(1'000, EIO);
  EXPECT_TRUE(receiver_.receive(batch_, counters_).is_drained);
  EXPECT_EQ(batch_.next(), nullptr);
}

}  // namespace
}  // namespace knul::udp
