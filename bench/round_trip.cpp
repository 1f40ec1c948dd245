// The least that a request and its answer take on this machine: one datagram there and one back over
// loopback, nothing else, between two processes that sleep until theirs comes. Of the sizes that a request of
// 64 bytes and an answer of 1 KiB have in QUIC.
//   round_trip COUNT ANSWERING_CPU ASKING_CPU
// prints one JSON line: the median round trip, and CPU time of the answering process for each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "number_argument.hpp"
#include "pinned_process.hpp"

namespace {

using namespace knul::bench;

constexpr std::size_t kRequestBytes = 64 + 32;
constexpr std::size_t kAnswerBytes = 1'024 + 32;

using Buffer = std::array<std::uint8_t, 2'048>;

// On a port of the kernel's choice. Gives up after two seconds without a datagram.
int open_socket(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const timeval patience{2, 0};
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("socket");
  }
  return fd;
}

void connect_to(int fd, const sockaddr_in& address) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fail("connect");
  }
}

void send_bytes(int fd, const Buffer& buffer, std::size_t bytes) {
  if (send(fd, buffer.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    fail("send");
  }
}

void receive_bytes(int fd, Buffer& buffer, std::size_t bytes) {
  if (recv(fd, buffer.data(), buffer.size(), 0) != static_cast<ssize_t>(bytes)) {
    fail("recv");
  }
}

// Returns the CPU seconds that it took.
double answer_all(int fd, std::uint64_t count) {
  Buffer buffer{};
  for (std::uint64_t i = 0; i < count; ++i) {
    receive_bytes(fd, buffer, kRequestBytes);
    send_bytes(fd, buffer, kAnswerBytes);
  }
  return cpu_seconds();
}

// Returns the median round trip in microseconds.
double ask_all(int fd, std::uint64_t count) {
  using Clock = std::chrono::steady_clock;
  Buffer buffer{};
  std::vector<double> round_trips(count);
  for (double& microseconds : round_trips) {
    const Clock::time_point begin = Clock::now();
    send_bytes(fd, buffer, kRequestBytes);
    receive_bytes(fd, buffer, kAnswerBytes);
    microseconds = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  }
  const auto middle = round_trips.begin() + static_cast<std::ptrdiff_t>(count / 2);
  std::nth_element(round_trips.begin(), middle, round_trips.end());
  return *middle;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t count =
      argc == 4 ? knul::bench::number_argument<std::uint64_t>("COUNT", argv[1], 1) : 0;
  if (count == 0) {
    std::fputs("use: round_trip COUNT ANSWERING_CPU ASKING_CPU\n", stderr);
    return 2;
  }
  sockaddr_in server_address{};
  sockaddr_in client_address{};
  const int server = open_socket(server_address);
  const int client = open_socket(client_address);
  connect_to(server, client_address);
  connect_to(client, server_address);
  std::array<int, 2> pipe_fds{};
  if (pipe(pipe_fds.data()) != 0) {
    fail("pipe");
  }
  const pid_t child = fork();
  if (child < 0) {
    fail("fork");
  }
  if (child == 0) {
    pin(knul::bench::number_argument<int>("ANSWERING_CPU", argv[2]));
    const double cpu = answer_all(server, count);
    return write(pipe_fds[1], &cpu, sizeof(cpu)) == sizeof(cpu) ? 0 : 1;
  }
  close(pipe_fds[1]);  // or a child that died would be waited for
  pin(knul::bench::number_argument<int>("ASKING_CPU", argv[3]));
  const double p50 = ask_all(client, count);
  double answering_cpu = 0;
  int status = 0;
  if (read(pipe_fds[0], &answering_cpu, sizeof(answering_cpu)) != sizeof(answering_cpu) ||
      waitpid(child, &status, 0) != child || status != 0) {
    return 1;
  }
  std::printf("{\"p50_us\":%.3f,\"answering_cpu_us\":%.4f}\n", p50,
              answering_cpu * 1e6 / static_cast<double>(count));
  return 0;
}
