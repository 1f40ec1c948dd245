#include "cli/admin_client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <vector>

namespace knul::cli {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// A server in the same context: it answers each connection with a fixed text, as often as asked.
class FakeServer {
 public:
  FakeServer(asio::io_context& context, std::string text, bool repeats = false)
      : acceptor_(context, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        text_(std::move(text)),
        repeats_(repeats),
        socket_(context) {
    acceptor_.async_accept(socket_, [this](const boost::system::error_code& error) {
      if (!error) {
        socket_.async_wait(tcp::socket::wait_read, [this](const auto&) { write(); });
      }
    });
  }

  [[nodiscard]] AdminAddress address() const {
    return *parse_admin_address("127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()));
  }
  [[nodiscard]] std::size_t written() const { return written_; }

 private:
  void write() {
    // All of the request: closing a socket with unread bytes would reset the connection.
    request_.resize(4'096);
    request_.resize(socket_.read_some(asio::buffer(request_)));
    if (!text_.empty()) {
      send();
    }
  }
  void send() {
    asio::async_write(socket_, asio::buffer(text_),
                      [this](const boost::system::error_code& error, std::size_t) {
                        written_ += text_.size();
                        if (!error && repeats_) {
                          send();
                        } else if (!error) {
                          socket_.shutdown(tcp::socket::shutdown_send);
                        }
                      });
  }

  tcp::acceptor acceptor_;
  std::string text_;
  bool repeats_;
  tcp::socket socket_;
  std::string request_;
  std::size_t written_ = 0;
};

class AdminClientTest : public testing::Test {
 protected:
  // Runs until the client is done, whatever the server does.
  Outcome<std::string> get(const AdminAddress& address,
                           std::chrono::milliseconds limit = std::chrono::minutes(1)) {
    auto client = AdminClient::open(context_, address, limit);
    if (!client) {
      return std::move(client).error();
    }
    std::optional<Outcome<std::string>> result;
    (*client)->get("/stats", [&](Outcome<std::string> body) { result = std::move(body); });
    context_.restart();
    while (!result && context_.run_one() > 0) {
    }
    return result ? *std::move(result) : run_failure("the request ended without a result");
  }
  std::string failure(const AdminAddress& address,
                      std::chrono::milliseconds limit = std::chrono::minutes(1)) {
    const auto result = get(address, limit);
    return result ? "no failure" : result.error().message;
  }

  asio::io_context context_;
};

TEST_F(AdminClientTest, ReturnsTheBody) {
  const FakeServer server(context_, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(*get(server.address()), "{}");
}

TEST_F(AdminClientTest, ReportsAnotherStatusWithItsTextEscaped) {
  const FakeServer server(context_, "HTTP/1.1 404 No\r\nContent-Length: 8\r\n\r\n\x1b[2Jno\r\n");
  const std::string text = failure(server.address());
  EXPECT_NE(text.find("status 404"), std::string::npos) << text;
  EXPECT_NE(text.find("\\x1b[2Jno\\x0d"), std::string::npos) << text;
}

TEST_F(AdminClientTest, ReportsThatNobodyListens) {
  std::optional<AdminAddress> address;
  {
    const FakeServer ended(context_, "");
    address = ended.address();
  }
  EXPECT_NE(failure(*address).find("does a server run there with --admin?"), std::string::npos);
  EXPECT_NE(failure(*parse_admin_address("/nothing/there")).find("--admin"), std::string::npos);
}

TEST_F(AdminClientTest, RefusesAnAnswerThatIsNoHttp) {
  const FakeServer server(context_, "220 mail.example ESMTP\r\n");
  EXPECT_NE(failure(server.address()).find("no HTTP answer"), std::string::npos);
}

TEST_F(AdminClientTest, RefusesAnAnnouncedBodyThatIsTooLarge) {
  const FakeServer server(context_, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_NE(failure(server.address()).find("longer than 1048576 bytes"), std::string::npos);
}

TEST_F(AdminClientTest, StopsReadingABodyWithoutEnd) {
  const FakeServer server(context_, "HTTP/1.1 200 OK\r\n\r\n" + std::string(65'536, 'x'), true);
  EXPECT_NE(failure(server.address()).find("longer than 1048576 bytes"), std::string::npos);
  EXPECT_LT(server.written(), std::size_t{64} << 20);
}

TEST_F(AdminClientTest, StopsReadingHeadersWithoutEnd) {
  const FakeServer server(context_, "HTTP/1.1 200 OK\r\nA: " + std::string(65'536, 'x'), true);
  EXPECT_NE(failure(server.address()).find("no HTTP answer"), std::string::npos);
}

TEST_F(AdminClientTest, WaitsNoLongerThanItsLimit) {
  const FakeServer silent(context_, "");
  EXPECT_NE(failure(silent.address(), std::chrono::milliseconds(50)).find("within 50 ms"), std::string::npos);
}

}  // namespace
}  // namespace knul::cli
