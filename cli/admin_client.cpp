#include "cli/admin_client.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <utility>

#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::generic::stream_protocol;

constexpr std::size_t kShownBytes = 200;

Outcome<Protocol::endpoint> endpoint_of(const AdminAddress& address) {
  if (!address.unix_path.empty()) {
    return Protocol::endpoint(asio::local::stream_protocol::endpoint(address.unix_path));
  }
  auto host = resolve(address.server.host);
  if (!host) {
    return std::move(host).error();
  }
  beast::error_code error;
  const auto ip = asio::ip::make_address(*host == "localhost" ? "127.0.0.1" : *host, error);
  if (error) {
    return run_failure(address.shown + ": " + *host + ": " + error.message());
  }
  return Protocol::endpoint(asio::ip::tcp::endpoint(ip, address.server.port));
}

std::string hint_of(beast::error_code error) {
  const bool is_absent =
      error == asio::error::connection_refused || error == beast::errc::no_such_file_or_directory;
  return is_absent ? "; does a server run there with --admin?" : "";
}

std::string reason_of(beast::error_code error, std::chrono::milliseconds limit) {
  if (error == beast::error::timeout) {
    return "no complete answer within " + std::to_string(limit.count()) + " ms";
  }
  if (error == http::error::body_limit) {
    return "the answer is longer than " + std::to_string(AdminClient::kMostBodyBytes) +
           " bytes, expected the answer of an admin listener";
  }
  const bool is_http = error.category() == beast::error_code(http::error::end_of_stream).category();
  return is_http ? "no HTTP answer (" + error.message() + "), expected the address of an admin listener"
                 : error.message() + hint_of(error);
}

}  // namespace

struct AdminClient::Peer {
  AdminAddress address;
  Protocol::endpoint endpoint;
  std::chrono::milliseconds limit;
};

// Lifetime: a pending operation keeps it.
class AdminClient::Request final : public std::enable_shared_from_this<Request> {
 public:
  Request(asio::io_context& context, const Peer& peer, const std::string& target, Done done)
      : stream_(context), peer_(peer), done_(std::move(done)), request_(http::verb::get, target, 11) {
    request_.set(http::field::host, "localhost");
    request_.set(http::field::accept, "application/json");
    request_.keep_alive(false);
    parser_.header_limit(kMostHeaderBytes);
    parser_.body_limit(kMostBodyBytes);
  }

  // One time limit for all steps.
  void begin() {
    stream_.expires_after(peer_.limit);
    stream_.async_connect(peer_.endpoint, next(&Request::write));
  }

 private:
  void write() {
    http::async_write(stream_, request_,
                      [step = next(&Request::read)](beast::error_code error, std::size_t) { step(error); });
  }
  void read() {
    http::async_read(stream_, buffer_, parser_,
                     [step = next(&Request::finish)](beast::error_code error, std::size_t) { step(error); });
  }

  void finish() {
    const unsigned status = parser_.get().result_int();
    std::string body = parser_.release().body();
    if (status == 200) {
      return done_(std::move(body));
    }
    while (body.ends_with('\n')) {
      body.pop_back();
    }
    done_(run_failure(peer_.address.shown + ": the answer has status " + std::to_string(status) +
                      ", expected 200: " + escaped(body, kShownBytes)));
  }

  std::function<void(beast::error_code)> next(void (Request::*step)()) {
    return [self = shared_from_this(), step](beast::error_code error) {
      error ? self->done_(run_failure(self->peer_.address.shown + ": " + reason_of(error, self->peer_.limit)))
            : (self.get()->*step)();
    };
  }

  beast::basic_stream<Protocol> stream_;
  const Peer peer_;  // a copy: the client may end before
  Done done_;
  http::request<http::empty_body> request_;
  beast::flat_buffer buffer_{kMostHeaderBytes + kMostBodyBytes};
  http::response_parser<http::string_body> parser_;
};

AdminClient::AdminClient(asio::io_context& context, std::unique_ptr<Peer> peer)
    : context_(context), peer_(std::move(peer)) {}

AdminClient::~AdminClient() = default;

Outcome<std::unique_ptr<AdminClient>> AdminClient::open(asio::io_context& context, AdminAddress address,
                                                        std::chrono::milliseconds limit) {
  auto endpoint = endpoint_of(address);
  if (!endpoint) {
    return std::move(endpoint).error();
  }
  return std::unique_ptr<AdminClient>(
      new AdminClient(context, std::make_unique<Peer>(Peer{std::move(address), *endpoint, limit})));
}

void AdminClient::get(const std::string& target, Done done) {
  std::make_shared<Request>(context_, *peer_, target, std::move(done))->begin();
}

Outcome<std::string> fetch_admin(const AdminAddress& address, const std::string& target,
                                 std::chrono::milliseconds limit) {
  asio::io_context context;
  auto client = AdminClient::open(context, address, limit);
  if (!client) {
    return std::move(client).error();
  }
  std::optional<Outcome<std::string>> result;
  (*client)->get(target, [&](Outcome<std::string> body) { result = std::move(body); });
  context.run();
  return *std::move(result);
}

}  // namespace knul::cli
