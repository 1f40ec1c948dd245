#include <krepis/krepis.hpp>

#include "posix/clock.hpp"
#include "server/credential_files.hpp"
#include "server/credential_sources.hpp"
#include "server/engine_options.hpp"
#include "server/error_codes.hpp"
#include "server/fork_guard.hpp"
#include "server/log_sink.hpp"
#include "server/settings.hpp"
#include "server/worker.hpp"
#include "udp/route_lookup.hpp"

namespace krepis {

using namespace knul;
using knul::server::to_public;

// Thread: any.
class QuicClient::Impl {
 public:
  explicit Impl(udp::UdpSocket socket) : socket_(std::move(socket)), closed_in_forks_(socket_.fd()) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  base::Status start(server::WorkerOptions worker);
  base::Status connect(const base::SocketAddress& remote, std::string_view server_name,
                       std::uint64_t context);
  bool post(std::function<void()> task) { return workers_.front()->post(std::move(task)); }

 private:
  udp::UdpSocket socket_;
  server::ClosedInForks closed_in_forks_;
  std::vector<std::unique_ptr<server::Worker>> workers_;  // exactly one
};

namespace {

// Null: the client has none.
base::Result<std::shared_ptr<const quic::CertificatePair>> load_pair(const ClientOptions& options) {
  if (options.cert_path.empty() != options.key_path.empty()) {
    return base::Error{base::ErrorKind::kInvalidArgument,
                       std::string(options.cert_path.empty() ? "cert_path" : "key_path") +
                           " is not given, expected both files of a client's certificate, or none"};
  }
  if (options.cert_path.empty()) {
    return std::shared_ptr<const quic::CertificatePair>();
  }
  return server::read_pair({.certificate = server::file_source("cert_path", options.cert_path),
                            .key = server::file_source("key_path", options.key_path)},
                           quic::CertificateUse::kClient);
}

base::Result<std::shared_ptr<quic::TlsClientContext>> load_tls(const ClientOptions& options) {
  auto pair = load_pair(options);
  if (!pair) {
    return std::move(pair).error();
  }
  std::string ca;
  if (!options.ca_path.empty()) {
    auto file = server::read_credential_file("ca_path", options.ca_path);
    if (!file) {
      return std::move(file).error();
    }
    ca = *std::move(file);
  }
  return quic::TlsClientContext::create(
      {.alpn = options.alpn,
       .ca_pem = {reinterpret_cast<const std::uint8_t*>(ca.data()), ca.size()},
       .verify_peer = options.verify_peer,
       .pair = *std::move(pair)});
}

base::Result<udp::UdpSocket> open_socket(const ClientOptions& options) {
  const auto local = base::SocketAddress::parse(options.local_address, 0);
  if (!local.has_value()) {
    return base::Error{base::ErrorKind::kInvalidArgument, "local_address is \"" + options.local_address +
                                                              "\", expected a numeric IPv4 or IPv6 address"};
  }
  return udp::UdpSocket::open(server::socket_options(options, *local), server::process_log());
}

}  // namespace

base::Status QuicClient::Impl::start(server::WorkerOptions worker) {
  worker.endpoint.static_secret.resize(32);
  posix::SystemRandom().fill(worker.endpoint.static_secret);
  worker.receive_socket = &socket_;
  worker.send_socket = &socket_;
  worker.thread_name = "knul-client";
  auto made = server::Worker::create(std::move(worker), server::process_log());
  if (!made) {
    return std::move(made).error();
  }
  workers_.push_back(*std::move(made));
  base::Status status = workers_.front()->start(workers_);
  if (!status) {
    workers_.clear();
  }
  return status;
}

QuicClient::Impl::~Impl() {
  if (!workers_.empty()) {
    workers_.front()->request_drain(posix::monotonic_now());
    workers_.front()->join();
  }
}

base::Status QuicClient::Impl::connect(const base::SocketAddress& remote, std::string_view server_name,
                                       std::uint64_t context) {
  if (remote.family() != socket_.local_address().family()) {
    return base::Error{base::ErrorKind::kInvalidArgument,
                       "connect: host " + remote.ip_to_string() +
                           " has another address family than local_address " +
                           socket_.local_address().ip_to_string()};
  }
  auto source = udp::source_address_for(remote);
  if (!source) {
    return std::move(source).error();
  }
  source->set_port(socket_.local_address().port());
  quic::ConnectTarget target{{*source, remote}, std::string(server_name), context};
  const bool is_posted =
      workers_.front()->post_to_core([target](server::WorkerCore& core, base::Instant now) {
        if (const base::Status status = core.connect(target, now); !status) {
          server::process_log().write(base::LogLevel::kError, base::LogKind::kConnect,
                                      [&] { return "connect: " + status.error().message; });
        }
      });
  if (!is_posted) {
    return base::Error{base::ErrorKind::kWrongState,
                       "connect: the client is stopping, or too many calls wait"};
  }
  return {};
}

QuicClient::QuicClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

QuicClient::~QuicClient() {
  if (server::is_forked_child()) {
    (void)impl_.release();  // the thread is the parent's, so it cannot be joined
  }
}

Result<std::unique_ptr<QuicClient>> QuicClient::start(const ClientOptions& asked,
                                                      std::unique_ptr<Application> application) {
  ClientOptions options = asked;
  if (base::Status status = server::validate_and_clamp(options); !status) {
    return to_public(std::move(status).error());
  }
  if (base::Status status = server::arm_fork_guard(); !status) {
    return to_public(std::move(status).error());
  }
  auto tls = load_tls(options);
  if (!tls) {
    return to_public(std::move(tls).error());
  }
  auto socket = open_socket(options);
  if (!socket) {
    return to_public(std::move(socket).error());
  }
  server::WorkerOptions worker;
  worker.endpoint = server::endpoint_options(options);
  worker.endpoint.client_tls = *std::move(tls);
  worker.application = std::move(application);
  worker.busy_poll = std::chrono::microseconds(options.busy_poll_us);
  auto impl = std::make_unique<Impl>(*std::move(socket));
  if (base::Status status = impl->start(std::move(worker)); !status) {
    return to_public(std::move(status).error());
  }
  return std::unique_ptr<QuicClient>(new QuicClient(std::move(impl)));
}

Result<void> QuicClient::connect(std::string_view host, std::uint16_t port, std::string_view server_name,
                                 std::uint64_t context) {
  const auto remote = base::SocketAddress::parse(host, port);
  if (!remote.has_value() || port == 0) {
    return Error{ErrorCode::kInvalidRequest,
                 "connect: expected a numeric host or localhost and a port, got \"" + std::string(host) +
                     "\" and " + std::to_string(port)};
  }
  if (const std::string_view why = server::why_unusable(*remote); !why.empty()) {
    return Error{ErrorCode::kInvalidRequest, "connect: \"" + std::string(host) + "\" is " + std::string(why)};
  }
  if (base::Status status = impl_->connect(*remote, server_name, context); !status) {
    return to_public(std::move(status).error());
  }
  return {};
}

bool QuicClient::post(std::function<void()> task) { return impl_->post(std::move(task)); }

}  // namespace krepis
