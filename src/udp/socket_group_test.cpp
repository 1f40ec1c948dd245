#include "udp/socket_group.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "udp/test_support.hpp"

namespace knul::udp {
namespace {

using namespace test_support;

class GroupOfSockets : public ::testing::Test {
 protected:
  static GroupOptions options(std::size_t workers, std::uint16_t port = 0) {
    return {.socket = {.address = address("127.0.0.1", port)},
            .workers = workers,
            .steering_program = by_first_byte(workers)};
  }
  base::Result<SocketGroup> open(const GroupOptions& group_options) {
    return SocketGroup::open(group_options, log_, calls_);
  }

  RecordingLog log_;
  FaultyCalls calls_;
};

TEST_F(GroupOfSockets, GivesEveryWorkerItsOwnSocketOnOnePort) {
  auto group = open(options(4)).value();
  EXPECT_TRUE(group.is_steered());
  for (std::size_t worker = 0; worker < 4; ++worker) {
    ASSERT_NE(group.receive_socket(worker), nullptr);
    EXPECT_EQ(group.receive_socket(worker), &group.send_socket(worker));
    EXPECT_EQ(group.receive_socket(worker)->local_address(), group.local_address());
    EXPECT_EQ(worker > 0 && group.receive_socket(worker) == group.receive_socket(0), false);
  }
}

TEST_F(GroupOfSockets, GivesADatagramToTheWorkerThatTheProgramNames) {
  auto group = open(options(4)).value();
  const auto client = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  stats::WorkerCounters counters;
  for (std::size_t number = 0; number < 40; ++number) {
    const std::vector<std::uint8_t> payload = packet(number, 10);
    const base::SocketAddress& to = group.local_address();
    ASSERT_EQ(sendto(client.fd(), payload.data(), payload.size(), 0, to.data(), to.size()), 10);
    ASSERT_EQ(receive(*group.receive_socket(payload[0] % 4U), 1, counters).size(), 1U) << "number " << number;
  }
}

// A kernel that grants at most 100,000 bytes.
class StingyCalls final : public SocketCalls {
 public:
  int get_option(int fd, int level, int name, void* value, socklen_t* length) override {
    const int result = SocketCalls::get_option(fd, level, name, value, length);
    if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_SNDBUF)) {
      *static_cast<int*>(value) = 200'000;
    }
    return result;
  }
  std::size_t core_limit(const char*) override { return 100'000; }
};

TEST_F(GroupOfSockets, AdvisesOnceWhenTheKernelGrantsLessThanRequested) {
  StingyCalls calls;
  GroupOptions group_options = options(4);
  group_options.socket.receive_buffer_bytes = 4'000'000;
  group_options.socket.send_buffer_bytes = 100'000;
  auto group = SocketGroup::open(group_options, log_, calls).value();
  EXPECT_EQ(group.send_socket(0).receive_buffer().limit_bytes, 100'000U);
  ASSERT_EQ(log_.lines.size(), 1U);
  EXPECT_NE(log_.lines[0].find("receive buffer 100000 of 4000000 bytes"), std::string::npos);
  EXPECT_NE(log_.lines[0].find("sysctl -w net.core.rmem_max=4000000"), std::string::npos);
  EXPECT_EQ(log_.lines[0].find("wmem_max"), std::string::npos);
}

TEST_F(GroupOfSockets, GivesNoAdviceOnBuffersOfTheRequestedSize) {
  GroupOptions group_options = options(2);
  group_options.socket.receive_buffer_bytes = group_options.socket.send_buffer_bytes = 50'000;
  ASSERT_TRUE(open(group_options));
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(GroupOfSockets, OfOneWorkerDoesNotShareItsPort) {
  const auto group = open(options(1)).value();
  EXPECT_FALSE(group.is_steered());
  SocketOptions intruder{.address = group.local_address(), .sharing = PortSharing::kReuseportMember};
  EXPECT_FALSE(UdpSocket::open(intruder, log_));
}

TEST_F(GroupOfSockets, RefusesThePortOfAnotherGroupAndLeavesNothingBehind) {
  const auto first = open(options(4)).value();
  const std::size_t before = open_descriptors();
  for (const std::size_t workers : {1U, 4U}) {
    const auto second = open(options(workers, first.local_address().port()));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, base::ErrorKind::kNetwork);
    EXPECT_EQ(open_descriptors(), before);
  }
}

TEST_F(GroupOfSockets, RefusesThePortOfAForeignReuseportSocket) {
  const auto foreign =
      UdpSocket::open({.address = address("127.0.0.1"), .sharing = PortSharing::kReuseportMember}, log_)
          .value();
  EXPECT_FALSE(open(options(2, foreign.local_address().port())));
}

TEST_F(GroupOfSockets, FreesItsPortAtItsEnd) {
  std::uint16_t port = 0;
  for (int cycle = 0; cycle < 100; ++cycle) {
    auto group = open(options(3, port));
    ASSERT_TRUE(group) << group.error().message;
    port = group->local_address().port();
  }
}

class UnsteeredGroup : public GroupOfSockets {
 protected:
  void expect_single_socket(SocketGroup& group) {
    EXPECT_FALSE(group.is_steered());
    EXPECT_NE(group.receive_socket(0), nullptr);
    for (std::size_t worker = 1; worker < 3; ++worker) {
      EXPECT_EQ(group.receive_socket(worker), nullptr);
      EXPECT_EQ(&group.send_socket(worker), group.receive_socket(0));
    }
  }
};

TEST_F(UnsteeredGroup, IsASingleSocketWithoutAProgram) {
  const std::size_t before = open_descriptors();
  GroupOptions single = options(3);
  single.steering_program.clear();
  auto group = open(single).value();
  expect_single_socket(group);
  EXPECT_EQ(open_descriptors(), before + 1);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(UnsteeredGroup, IsASingleSocketWithAWarningWhenTheKernelRefusesTheProgram) {
  const std::size_t before = open_descriptors();
  for (const int error : {EPERM, ENOPROTOOPT, EINVAL}) {
    log_.lines.clear();
    calls_.option_errors = {{SO_ATTACH_REUSEPORT_CBPF, error}};
    auto group = open(options(3)).value();
    expect_single_socket(group);
    EXPECT_EQ(open_descriptors(), before + 1);
    EXPECT_EQ(log_.lines.size(), 1U);
    SocketOptions intruder{.address = group.local_address(), .sharing = PortSharing::kReuseportMember};
    EXPECT_FALSE(UdpSocket::open(intruder, log_));
  }
}

TEST_F(UnsteeredGroup, ReceivesAndSendsOnItsOneSocket) {
  calls_.option_errors = {{SO_ATTACH_REUSEPORT_CBPF, EPERM}};
  auto group = open(options(3)).value();
  auto client = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  stats::WorkerCounters counters;
  base::SendBatch batch{base::SendBatch::Limits{}};
  append(batch, {group.local_address(), client.local_address()}, packet(1, 50));
  SendCursor cursor;
  (void)group.send_socket(2).send(batch, cursor, counters);
  EXPECT_EQ(receive(client, 1, counters).at(0).path.remote, group.local_address());
  batch.clear();
  cursor = {};
  for (std::uint8_t worker = 0; worker < 20; ++worker) {
    append(batch, {client.local_address(), group.local_address()}, packet(worker, 50));
  }
  (void)client.send(batch, cursor, counters);
  EXPECT_EQ(receive(*group.receive_socket(0), 20, counters).size(), 20U);
}

// While it lives, the limit of open files is the number of open files and `spare` more.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t spare) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(0);
    close(lowest_free);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(lowest_free) + spare;
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(GroupOfSockets, ReportsAQuotaErrorForEveryDescriptorThatIsMissing) {
  const std::size_t before = open_descriptors();
  for (rlim_t spare = 0; spare <= 4; ++spare) {
    auto group = [&] {
      const DescriptorLimit limit(spare);
      return open(options(4));
    }();
    ASSERT_EQ(group.has_value(), spare == 4);
    if (!group) {
      EXPECT_EQ(group.error().kind, base::ErrorKind::kQuota);
      EXPECT_EQ(open_descriptors(), before);
    }
  }
}

// A bound socket of a program.
class GivenSocket {
 public:
  explicit GivenSocket(int type = SOCK_DGRAM, int domain = AF_INET) : fd_(::socket(domain, type, 0)) {}
  ~GivenSocket() { ::close(fd_); }
  GivenSocket(const GivenSocket&) = delete;
  GivenSocket& operator=(const GivenSocket&) = delete;

  void set(int level, int name, int value) const { ::setsockopt(fd_, level, name, &value, sizeof value); }
  void bind(const base::SocketAddress& to) const { ASSERT_EQ(::bind(fd_, to.data(), to.size()), 0); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

TEST_F(GroupOfSockets, SharesAGivenSocketAmongTheWorkersAndLeavesItOpen) {
  const GivenSocket given;
  given.bind(address("127.0.0.1"));
  GroupOptions group_options = options(3);
  group_options.adopted_fd = given.fd();
  {
    auto group = open(group_options).value();
    EXPECT_TRUE(group.is_single_socket());
    EXPECT_NE(group.local_address().port(), 0);
    EXPECT_NE(group.send_socket(0).fd(), given.fd());
    const auto client = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
    const base::SocketAddress& to = group.local_address();
    ASSERT_EQ(sendto(client.fd(), "x", 1, 0, to.data(), to.size()), 1);
    stats::WorkerCounters counters;
    EXPECT_EQ(receive(*group.receive_socket(0), 1, counters).size(), 1U);
  }
  EXPECT_TRUE(log_.lines.empty());
  EXPECT_GE(fcntl(given.fd(), F_GETFD), 0);
}

TEST_F(GroupOfSockets, AddsSocketsToAGivenSocketThatAllowsIt) {
  const GivenSocket given;
  given.set(SOL_SOCKET, SO_REUSEPORT, 1);
  given.bind(address("127.0.0.1"));
  GroupOptions group_options = options(3);
  group_options.adopted_fd = given.fd();
  auto group = open(group_options).value();
  EXPECT_TRUE(group.is_steered());
  const auto client = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  stats::WorkerCounters counters;
  for (std::size_t number = 0; number < 9; ++number) {
    const std::vector<std::uint8_t> payload = packet(number, 10);
    const base::SocketAddress& to = group.local_address();
    ASSERT_EQ(sendto(client.fd(), payload.data(), payload.size(), 0, to.data(), to.size()), 10);
    ASSERT_EQ(receive(*group.receive_socket(payload[0] % 3U), 1, counters).size(), 1U) << "number " << number;
  }
}

TEST_F(GroupOfSockets, RefusesAGivenDescriptorThatIsNoBoundUdpSocket) {
  const auto expect_refusal = [&](int fd, const char* why) {
    GroupOptions group_options = options(2);
    group_options.adopted_fd = fd;
    const std::size_t before = open_descriptors();
    const auto group = open(group_options);
    ASSERT_FALSE(group) << why;
    EXPECT_EQ(group.error().kind, base::ErrorKind::kInvalidArgument);
    EXPECT_TRUE(group.error().message.starts_with("listen_fd is ")) << group.error().message;
    EXPECT_NE(group.error().message.find(why), std::string::npos) << group.error().message;
    EXPECT_EQ(open_descriptors(), before);
  };
  expect_refusal(1'000'000, "not an open descriptor");
  const posix::FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  expect_refusal(file.value(), "not a socket");
  const GivenSocket stream(SOCK_STREAM);
  expect_refusal(stream.fd(), "not a UDP socket");
  const GivenSocket local(SOCK_DGRAM, AF_UNIX);
  expect_refusal(local.fd(), "not a UDP socket");
  const GivenSocket unbound;
  expect_refusal(unbound.fd(), "not bound");
  const GivenSocket connected;
  const base::SocketAddress peer = address("127.0.0.1", 9);
  ASSERT_EQ(::connect(connected.fd(), peer.data(), peer.size()), 0);
  expect_refusal(connected.fd(), "connected");
  if (has_ipv6()) {
    const GivenSocket both(SOCK_DGRAM, AF_INET6);
    both.set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
    both.bind(address("::"));
    expect_refusal(both.fd(), "IPV6_V6ONLY");
  }
}

}  // namespace
}  // namespace knul::udp
