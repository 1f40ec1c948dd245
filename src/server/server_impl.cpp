#include "server/server_impl.hpp"

#include <algorithm>

#include "base/probes.hpp"
#include "posix/clock.hpp"
#include "quic/crypto/library_versions.hpp"
#include "quic/endpoint/endpoint_options.hpp"
#include "server/engine_options.hpp"
#include "server/log_sink.hpp"
#include "server/secrets.hpp"
#include "server/server_sockets.hpp"
#include "server/settings.hpp"

namespace krepis {
namespace {

using namespace knul;

// Replaces the secrets of the options.
base::Result<std::unique_ptr<server::CertificateStore>> load_certificates(ServerOptions& options,
                                                                          base::KeyLog* key_log) {
  auto loaded = server::CertificateStore::load(options, key_log, server::process_log());
  const bool has_secret = !options.key_pem.empty();
  server::wipe(options);
  options.key_pem = has_secret ? server::kNotShown : "";
  return loaded;
}

// On a worker's timer, so that it needs no thread.
void warn_of_expiry_hourly(server::WorkerCore& core, server::CertificateStore& certificates) {
  core.call_after(std::chrono::hours(1), [&core, &certificates] {
    certificates.warn_of_expiry();
    warn_of_expiry_hourly(core, certificates);
  });
}

}  // namespace

base::Result<std::unique_ptr<QuicServer::Impl>> QuicServer::Impl::start(const ServerOptions& asked,
                                                                        const ApplicationFactory& factory,
                                                                        ApplicationMemorySource memory) {
  if (base::Status status = server::validate(asked); !status) {
    return std::move(status).error();
  }
  ServerOptions options = asked;
  const server::Wiped wiped(options);
  server::clamp(options);
  if (base::Status status = server::arm_fork_guard(); !status) {
    return std::move(status).error();
  }
  options.workers = options.workers == 0 ? server::automatic_workers() : options.workers;
  auto key_log = server::KeyLogFile::open(options.key_log_path, server::process_log());
  if (!key_log) {
    return std::move(key_log).error();
  }
  auto qlog = server::QlogFiles::open(options, server::process_log());
  if (!qlog) {
    return std::move(qlog).error();
  }
  auto certificates = load_certificates(options, key_log->get());
  if (!certificates) {
    return std::move(certificates).error();
  }
  auto sockets = server::open_sockets(options, server::process_log());
  if (!sockets) {
    return std::move(sockets).error();
  }
  options.port = sockets->local_address().port();
  if (options.listen_fd != 0) {
    options.host = sockets->local_address().ip_to_string();
  }
  std::unique_ptr<Impl> impl(
      new Impl(std::move(options), *std::move(certificates), *std::move(sockets), std::move(memory)));
  impl->key_log_ = *std::move(key_log);
  impl->qlog_ = *std::move(qlog);
  if (base::Status status = impl->create_workers(factory); !status) {
    return std::move(status).error();
  }
  if (base::Status status = impl->start_workers(); !status) {
    return std::move(status).error();
  }
  if (base::Status status = impl->start_watcher(); !status) {
    return std::move(status).error();
  }
  if (base::Status status = impl->start_admin(); !status) {
    return std::move(status).error();
  }
  impl->has_started_ = true;
  impl->log_start();
  return impl;
}

base::Status QuicServer::Impl::check(const ServerOptions& asked) {
  if (base::Status status = server::validate(asked); !status) {
    return status;
  }
  ServerOptions options = asked;
  const server::Wiped wiped(options);
  if (base::Status status = server::KeyLogFile::check(options.key_log_path); !status) {
    return status;
  }
  if (base::Status status = server::QlogFiles::check(options); !status) {
    return status;
  }
  auto certificates = load_certificates(options, nullptr);
  return certificates ? base::Status{} : base::Status{std::move(certificates).error()};
}

QuicServer::Impl::Impl(ServerOptions options, std::unique_ptr<server::CertificateStore> certificates,
                       udp::SocketGroup sockets, ApplicationMemorySource memory)
    : options_(std::move(options)),
      memory_(std::move(memory)),
      certificates_(std::move(certificates)),
      started_at_(posix::monotonic_now()),
      sockets_(std::move(sockets)) {
  for (std::size_t i = 0; i < sockets_.workers(); ++i) {
    if (const udp::UdpSocket* socket = sockets_.receive_socket(i)) {
      closed_in_forks_.push_back(std::make_unique<server::ClosedInForks>(socket->fd()));
    }
  }
}

base::Status QuicServer::Impl::create_workers(const ApplicationFactory& factory) {
  // One secret, so that each worker reads the tokens of the others.
  std::vector<std::uint8_t> secret(32);
  posix::SystemRandom().fill(secret);
  for (unsigned i = 0; i < options_.workers; ++i) {
    server::WorkerOptions worker;
    worker.endpoint = server::endpoint_options(options_, options_.workers);
    worker.endpoint.worker = i;
    worker.endpoint.server_tls = certificates_->context();
    worker.endpoint.tls_source = certificates_.get();
    worker.endpoint.static_secret = secret;
    worker.endpoint.qlog = qlog_.get();
    worker.endpoint.steering =
        sockets_.is_single_socket() ? quic::Steering::kByConnectionId : quic::Steering::kByKernel;
    worker.application = factory ? factory(i) : nullptr;
    worker.receive_socket = sockets_.receive_socket(i);
    worker.send_socket = &sockets_.send_socket(i);
    worker.busy_poll = std::chrono::microseconds(options_.busy_poll_us);
    worker.thread_name = "knul-" + std::to_string(options_.port) + "-" + std::to_string(i);
    auto made = server::Worker::create(std::move(worker), server::process_log());
    if (!made) {
      return std::move(made).error();
    }
    workers_.push_back(*std::move(made));
  }
  return {};
}

base::Status QuicServer::Impl::start_workers() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (base::Status status = workers_[i]->start(workers_); !status) {
      // The destructor stops the workers that have started.
      std::for_each(workers_.begin() + static_cast<std::ptrdiff_t>(i), workers_.end(),
                    [](const auto& worker) { worker->abandon(); });
      return status;
    }
  }
  workers_.front()->post_to_core(
      [certificates = certificates_.get()](server::WorkerCore& core, base::Instant) {
        warn_of_expiry_hourly(core, *certificates);
      });
  return {};
}

base::Status QuicServer::Impl::start_watcher() {
  if (!options_.watch_certificates) {
    return {};
  }
  auto watcher =
      server::CertificateWatcher::start(*certificates_, "knul-" + std::to_string(options_.port) + "-cert");
  if (!watcher) {
    return std::move(watcher).error();
  }
  watcher_ = *std::move(watcher);
  return {};
}

base::Status QuicServer::Impl::start_admin() {
  if (options_.admin.empty()) {
    return {};
  }
  auto listener = admin::AdminListener::start(options_.admin, *this);
  if (!listener) {
    return std::move(listener).error();
  }
  admin_ = *std::move(listener);
  options_.admin = admin_->address();
  closed_in_forks_.push_back(std::make_unique<server::ClosedInForks>(admin_->fd()));
  return {};
}

void QuicServer::Impl::log_start() const {
  server::process_log().write(base::LogLevel::kInfo, base::LogKind::kServerStarted, [&] {
    return "server listens on " + sockets_.local_address().to_string() + " with " +
           std::to_string(workers_.size()) + " worker(s), steering " +
           (sockets_.is_steered() ? "bpf" : "single_socket") + "; Krepis KNUL " + version() + ", " +
           quic::library_versions(quic::library_list());
  });
}

void QuicServer::Impl::log_stop(const DrainReport& report) const {
  server::process_log().write(base::LogLevel::kInfo, base::LogKind::kServerStopped, [&] {
    return "server on " + sockets_.local_address().to_string() + " stopped, " +
           (report.clean ? "nothing was cut" : "streams were cut") + ": " +
           std::to_string(report.connections_closed) + " connection(s) closed, " +
           std::to_string(report.streams_completed) + " stream(s) completed, " +
           std::to_string(report.streams_cut) + " cut, " + std::to_string(report.bytes_unsent) +
           " bytes unsent, " + std::to_string(report.elapsed.count()) + " ms";
  });
}

QuicServer::Impl::~Impl() {
  if (claim_stop()) {
    drain(std::chrono::milliseconds(0));
  }
}

base::Status QuicServer::Impl::reload() {
  if (qlog_ != nullptr) {
    qlog_->renew();
  }
  return certificates_->reload();
}

DrainReport QuicServer::Impl::drain(std::chrono::milliseconds wait) {
  const base::Instant begin = posix::monotonic_now();
  KNUL_PROBE(server__drain, options_.port, wait.count());
  // Limited, so that the deadline does not overflow.
  const base::Instant deadline = begin + std::min<std::chrono::milliseconds>(wait, std::chrono::hours(24));
  for (const auto& worker : workers_) {
    worker->request_drain(deadline);
  }
  watcher_.reset();
  DrainReport total;
  // All threads first: a worker that still runs may hand over packets to a finished one.
  for (const auto& worker : workers_) {
    worker->join();
  }
  admin_.reset();
  if (qlog_ != nullptr) {
    qlog_->finish();
  }
  for (const auto& worker : workers_) {
    const DrainReport part = worker->drain_report();
    total.connections_closed += part.connections_closed;
    total.streams_completed += part.streams_completed;
    total.streams_cut += part.streams_cut;
    total.bytes_unsent += part.bytes_unsent;
  }
  total.clean = total.streams_cut == 0 && total.bytes_unsent == 0;
  total.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(posix::monotonic_now() - begin);
  if (has_started_) {
    log_stop(total);
  }
  return total;
}

}  // namespace krepis
