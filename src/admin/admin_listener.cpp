#include "admin/admin_listener.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <optional>
#include <utility>

#include "admin/admin_answer.hpp"
#include "admin/listening_socket.hpp"
#include "base/token_bucket.hpp"
#include "posix/clock.hpp"
#include "runtime/worker_thread.hpp"

namespace knul::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Protocol>;
using Acceptor = asio::basic_socket_acceptor<Protocol>;

class Client;
// In the order of their last request, the longest silent first.
using Clients = std::list<std::shared_ptr<Client>>;

// One connection. Lifetime: in Clients until it ends; a pending operation keeps it too.
class Client final : public std::enable_shared_from_this<Client> {
 public:
  Client(Stream::socket_type socket, AdminSource& source, Clients& clients, base::TokenBucket& lists)
      : stream_(std::move(socket)), source_(source), clients_(clients), lists_(lists) {
    beast::error_code error;
    has_unix_socket_ = stream_.socket().local_endpoint(error).protocol().family() == AF_UNIX;
  }

  void begin(Clients::iterator place) {
    place_ = place;
    is_listed_ = true;
    read(AdminListener::kLongestRequest);
  }
  void end() {
    if (std::exchange(is_listed_, false)) {
      stream_.close();
      clients_.erase(place_);  // may end the life of this object
    }
  }

 private:
  using Parser = http::request_parser<http::empty_body>;
  using Response = http::response<http::string_body>;

  void read(std::chrono::seconds limit) {
    parser_.emplace();
    parser_->header_limit(AdminListener::kMostHeaderBytes);
    parser_->body_limit(0);
    stream_.expires_after(limit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       error ? self->end() : self->respond();
                     });
  }

  void respond() {
    if (!is_listed_) {
      return;  // evicted after its request had arrived
    }
    clients_.splice(clients_.end(), clients_, place_);
    try {
      make_response();
    } catch (const std::bad_alloc&) {
      return end();
    }
    stream_.expires_after(AdminListener::kLongestRequest);
    const auto written = [self = shared_from_this()](beast::error_code error, std::size_t) {
      error || !self->response_.keep_alive() ? self->end() : self->read(AdminListener::kLongestIdle);
    };
    if (parser_->get().method() == http::verb::head) {
      serializer_.emplace(response_);
      http::async_write_header(stream_, *serializer_, written);
    } else {
      http::async_write(stream_, response_, written);
    }
  }

  void make_response() {
    const auto& request = parser_->get();
    const AdminRequest asked{
        .method = view(request.method_string()),
        .target = view(request.target()),
        .accept = view(request[http::field::accept]),
        .host = has_unix_socket_ ? std::string_view() : view(request[http::field::host])};
    const bool is_over_limit = asks_workers(asked) && !lists_.take(posix::monotonic_now());
    AdminAnswer answer =
        admin::answer(source_, asked, is_over_limit ? MayAskWorkers::kNo : MayAskWorkers::kYes);
    response_ = Response(static_cast<http::status>(answer.status), request.version());
    response_.set(http::field::content_type, string(answer.content_type));
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("Content-Security-Policy",
                  "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; "
                  "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    if (answer.status == 405) {
      response_.set(http::field::allow, "GET, HEAD");
    }
    response_.keep_alive(request.keep_alive());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
  }

  static std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }
  static beast::string_view string(std::string_view text) { return {text.data(), text.size()}; }

  Stream stream_;
  AdminSource& source_;
  Clients& clients_;
  base::TokenBucket& lists_;
  Clients::iterator place_;
  bool is_listed_ = false;
  bool has_unix_socket_ = false;
  beast::flat_buffer buffer_{AdminListener::kMostHeaderBytes};
  std::optional<Parser> parser_;
  Response response_;
  std::optional<http::serializer<false, http::string_body>> serializer_;
};

}  // namespace

class AdminListener::Impl {
 public:
  Impl(ListeningSocket socket, AdminSource& source)
      : source_(source), acceptor_(context_), retry_(context_), address_(std::move(socket.address)) {
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    ::getsockname(socket.fd.value(), reinterpret_cast<sockaddr*>(&own), &size);
    acceptor_.assign(Protocol(own.ss_family, 0), socket.fd.release());
  }
  ~Impl() {
    context_.stop();
    thread_.join();
    clients_.clear();
    remove_unix_socket();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  base::Status begin() {
    accept();
    auto thread = runtime::WorkerThread::start({.name = "knul-admin"}, [this] { run(); });
    if (!thread) {
      return std::move(thread).error();
    }
    thread_ = *std::move(thread);
    return {};
  }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] int fd() { return acceptor_.native_handle(); }

 private:
  // A handler throws only when memory is short. The others go on.
  void run() {
    while (!context_.stopped()) {
      try {
        context_.run();
        accept_again_if_ended();
      } catch (...) {
        accept_again_if_ended();
      }
    }
  }

  void accept() {
    acceptor_.async_accept([this](beast::error_code error, Stream::socket_type socket) {
      is_accepting_ = false;
      if (error) {
        return accept_later();  // no descriptor is left, or the client has gone
      }
      add(std::move(socket));
      accept();
    });
    is_accepting_ = true;
  }

  void accept_later() {
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](beast::error_code) {
      is_accepting_ = false;
      accept();
    });
    is_accepting_ = true;
  }

  void accept_again_if_ended() noexcept {
    try {
      if (!is_accepting_) {
        accept_later();
      }
    } catch (...) {  // the next turn of run() tries again
    }
  }

  void add(Stream::socket_type socket) {
    if (clients_.size() == kMostClients) {
      const std::shared_ptr<Client> longest_silent = clients_.front();
      longest_silent->end();
    }
    clients_.push_back(std::make_shared<Client>(std::move(socket), source_, clients_, lists_));
    clients_.back()->begin(std::prev(clients_.end()));
  }

  void remove_unix_socket() const {
    constexpr std::string_view kUnix = "unix:";
    if (address_.starts_with(kUnix)) {
      ::unlink(address_.c_str() + kUnix.size());
    }
  }

  AdminSource& source_;
  base::TokenBucket lists_{10, 10};  // of /connections, all clients together: a list costs the workers time
  Clients clients_;
  asio::io_context context_{1};
  Acceptor acceptor_;
  asio::steady_timer retry_;
  bool is_accepting_ = false;  // accept() or accept_later() is pending
  const std::string address_;
  runtime::WorkerThread thread_;
};

base::Result<std::unique_ptr<AdminListener>> AdminListener::start(std::string_view address,
                                                                  AdminSource& source) {
  auto parsed = parse_admin_address(address);
  if (!parsed) {
    return std::move(parsed).error();
  }
  auto socket = open_listening_socket(*parsed);
  if (!socket) {
    return std::move(socket).error();
  }
  auto impl = std::make_unique<Impl>(*std::move(socket), source);
  if (base::Status status = impl->begin(); !status) {
    return std::move(status).error();
  }
  return std::unique_ptr<AdminListener>(new AdminListener(std::move(impl)));
}

AdminListener::AdminListener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminListener::~AdminListener() = default;

const std::string& AdminListener::address() const { return impl_->address(); }
int AdminListener::fd() const { return impl_->fd(); }

base::Status check_admin_address(std::string_view address) {
  auto parsed = parse_admin_address(address);
  return parsed ? base::Status{} : base::Status{std::move(parsed).error()};
}

}  // namespace knul::admin
