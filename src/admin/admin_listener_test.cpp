#include "admin/admin_listener.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "admin/fake_source_test_support.hpp"
#include "base/socket_address.hpp"
#include "posix/file_descriptor.hpp"
#include "support/temporary_folder.h"

namespace knul::admin {
namespace {

using namespace std::chrono_literals;

// A client with plain sockets, so that it can misbehave.
class RawClient {
 public:
  explicit RawClient(const std::string& address) {
    if (address.starts_with("unix:")) {
      sockaddr_un place{};
      place.sun_family = AF_UNIX;
      address.copy(place.sun_path, sizeof(place.sun_path) - 1, 5);
      connect(AF_UNIX, reinterpret_cast<sockaddr*>(&place), sizeof(place));
      return;
    }
    const std::size_t colon = address.rfind(':');
    auto place = base::SocketAddress::parse(address.substr(0, colon),
                                            static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    connect(AF_INET, place->data(), place->size());
  }

  void send(const std::string& text) const {
    EXPECT_EQ(::send(fd_.value(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Everything until the other side closes.
  [[nodiscard]] std::string read_all() const {
    std::string text;
    std::array<char, 4'096> block;
    for (ssize_t count = 1; count > 0;) {
      count = ::recv(fd_.value(), block.data(), block.size(), 0);
      text.append(block.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
    return text;
  }
  // At least up to `end`.
  [[nodiscard]] std::string read_to(const std::string& end) const {
    std::string text;
    std::array<char, 1> byte;
    while (!text.ends_with(end) && ::recv(fd_.value(), byte.data(), 1, 0) == 1) {
      text += byte[0];
    }
    return text;
  }

 private:
  void connect(int family, const sockaddr* place, socklen_t size) {
    fd_ = posix::FileDescriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(fd_.value(), place, size), 0) << errno;
    const timeval limit{.tv_sec = 30, .tv_usec = 0};  // a test that hangs fails
    ::setsockopt(fd_.value(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  posix::FileDescriptor fd_;
};

class AdminListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = AdminListener::start("127.0.0.1:0", source_);
    ASSERT_TRUE(started.has_value()) << started.error().message;
    listener_ = *std::move(started);
  }
  [[nodiscard]] RawClient client() const { return RawClient(listener_->address()); }
  [[nodiscard]] std::string answer_to(const std::string& request) const {
    const RawClient one = client();
    one.send(request);
    return one.read_all();
  }

  FakeSource source_;
  std::unique_ptr<AdminListener> listener_;
};

TEST_F(AdminListenerTest, AnswersOverTcp) {
  const std::string text = answer_to("GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  EXPECT_TRUE(text.ends_with("\r\n\r\n{\"uptime_ms\":1}")) << text;
  EXPECT_NE(text.find("Content-Length: 15\r\n"), std::string::npos) << text;
}

TEST_F(AdminListenerTest, SendsNoBodyForHead) {
  const std::string text = answer_to("HEAD /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(text.find("Content-Length: 15\r\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\n\r\n")) << text;
}

TEST_F(AdminListenerTest, AnswersSeveralRequestsOfAClient) {
  const RawClient one = client();
  for (int i = 0; i < 3; ++i) {
    one.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(one.read_to("ok\n").starts_with("HTTP/1.1 200"));
  }
}

TEST_F(AdminListenerTest, RefusesOtherMethodsAndBodies) {
  const std::string refused =
      answer_to("POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 405")) << refused;
  EXPECT_NE(refused.find("Allow: GET, HEAD\r\n"), std::string::npos);
  EXPECT_EQ(answer_to("POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"), "");
}

TEST_F(AdminListenerTest, ClosesClientsThatSendNonsense) {
  const std::string long_header(2 * AdminListener::kMostHeaderBytes, 'a');
  for (const std::string& nonsense : std::vector<std::string>{
           "\x16\x03\x01 a TLS hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
           "GET / HTTP/1.1\r\n" + long_header + ": x\r\n\r\n", std::string(9'000, '\0')}) {
    const RawClient one = client();
    one.send(nonsense);
    EXPECT_EQ(one.read_all(), "");
  }
  EXPECT_TRUE(answer_to("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").ends_with("ok\n"));
}

TEST_F(AdminListenerTest, SparesTheWorkersOfTooManyLists) {
  const RawClient one = client();
  int spared = 0;
  for (int i = 0; i < 200; ++i) {
    one.send("HEAD /connections HTTP/1.1\r\nHost: localhost\r\n\r\n");
    spared += one.read_to("\r\n\r\n").starts_with("HTTP/1.1 429") ? 1 : 0;
  }
  EXPECT_GE(spared, 1);
  EXPECT_TRUE(answer_to("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").ends_with("ok\n"));
}

TEST_F(AdminListenerTest, RefusesAHostThatIsAName) {
  const std::string text =
      answer_to("GET /connections HTTP/1.1\r\nHost: evil.example:9464\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 421")) << text;
}

TEST_F(AdminListenerTest, GivesThePlaceOfTheLongestSilentClientToANewOne) {
  std::vector<RawClient> silent;
  for (std::size_t i = 0; i < 3 * AdminListener::kMostClients; ++i) {
    silent.push_back(client());
    silent.back().send("GET /stats HTTP/1.1\r\nX: ");  // and no more
  }
  EXPECT_TRUE(answer_to("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").ends_with("ok\n"));
  EXPECT_EQ(silent.front().read_all(), "");  // closed
}

TEST_F(AdminListenerTest, EndsAtOnceWhileClientsAreConnected) {
  const RawClient one = client();
  one.send("GET / HTTP/1.1\r\n");
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_EQ(one.read_all(), "");
}

TEST(AdminAddress, InUseIsAnErrorThatNamesIt) {
  FakeSource source;
  const auto first = AdminListener::start("127.0.0.1:0", source);
  ASSERT_TRUE(first.has_value());
  const auto second = AdminListener::start((*first)->address(), source);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, base::ErrorKind::kNetwork);
  EXPECT_NE(second.error().message.find((*first)->address()), std::string::npos) << second.error().message;
}

TEST(AdminAddress, IsChecked) {
  for (const char* good : {"127.0.0.1:0", "[::1]:65535", "localhost:1", "unix:/tmp/x", "unix:x"}) {
    EXPECT_TRUE(check_admin_address(good)) << good;
  }
  for (const std::string& bad :
       {std::string("127.0.0.1"), std::string("::1:80"), std::string("[127.0.0.1]:1"),
        std::string("host.name:1"), std::string("127.0.0.1:65536"), std::string("127.0.0.1:-1"),
        std::string("127.0.0.1:1x"), std::string(":1"), std::string("unix:"),
        "unix:" + std::string(200, 'x')}) {
    const base::Status status = check_admin_address(bad);
    ASSERT_FALSE(status) << bad;
    EXPECT_TRUE(status.error().message.starts_with("admin is ")) << status.error().message;
  }
}

class AdminUnixSocket : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.file("admin.sock"); }

  FakeSource source_;
  const test::TemporaryFolder folder_;
};

TEST_F(AdminUnixSocket, IsItsOwnersOnlyAndGoneAfterwards) {
  auto listener = AdminListener::start("unix:" + path(), source_);
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  struct stat found {};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  const RawClient one((*listener)->address());
  one.send("GET /stats HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(one.read_all().starts_with("HTTP/1.1 200"));
  listener->reset();
  EXPECT_NE(::stat(path().c_str(), &found), 0);
}

TEST_F(AdminUnixSocket, ReplacesASocketThatNobodyListensOnAndNothingElse) {
  {
    const posix::FileDescriptor left(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    path().copy(place.sun_path, sizeof(place.sun_path) - 1);
    ASSERT_EQ(::bind(left.value(), reinterpret_cast<sockaddr*>(&place), sizeof(place)), 0);
  }
  const auto first = AdminListener::start("unix:" + path(), source_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_FALSE(AdminListener::start("unix:" + path(), source_).has_value());  // in use
  const std::string file = folder_.file("file");
  ASSERT_EQ(::symlink("/nowhere", file.c_str()), 0);
  EXPECT_FALSE(AdminListener::start("unix:" + file, source_).has_value());
  EXPECT_TRUE(std::filesystem::is_symlink(file));
}

}  // namespace
}  // namespace knul::admin
