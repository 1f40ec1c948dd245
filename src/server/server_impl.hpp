// The implementation of krepis::QuicServer.
#pragma once

#include <krepis/krepis.hpp>

#include <atomic>
#include <memory>
#include <vector>

#include "admin/admin_listener.hpp"
#include "quic/crypto/tls_context.hpp"
#include "server/certificate_store.hpp"
#include "server/certificate_watcher.hpp"
#include "server/fork_guard.hpp"
#include "server/key_log.hpp"
#include "server/qlog_files.hpp"
#include "server/worker.hpp"
#include "stats/snapshot.hpp"
#include "udp/socket_group.hpp"

namespace krepis {

// Thread: any except the workers, see QuicServer.
class QuicServer::Impl final : private knul::admin::AdminSource {
 public:
  static knul::base::Result<std::unique_ptr<Impl>> start(const ServerOptions& options,
                                                         const ApplicationFactory& factory,
                                                         ApplicationMemorySource memory);
  // See QuicServer::check.
  static knul::base::Status check(const ServerOptions& options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // True for one caller only.
  [[nodiscard]] bool claim_stop() { return is_running_.exchange(false); }
  DrainReport drain(std::chrono::milliseconds deadline);
  knul::base::Status reload();
  [[nodiscard]] bool is_running() const { return is_running_.load(); }
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  [[nodiscard]] Statistics statistics() const;
  // The snapshot's texts live as long as the returned object.
  [[nodiscard]] std::shared_ptr<const void> fill(knul::stats::ServerSnapshot& snapshot) const;
  [[nodiscard]] Result<void> list_connections(std::string& out, std::size_t limit) const;
  [[nodiscard]] Result<void> query_connections(std::string& out, std::string_view query) const;

 private:
  // knul::admin::AdminSource
  void append_stats(std::string& out) override;
  void append_metrics(knul::admin::MetricsFormat format, std::string& out) override;
  knul::base::Status append_connections(std::string_view query, std::string& out) override;
  [[nodiscard]] bool is_ready() const override { return is_running(); }

  Impl(ServerOptions options, std::unique_ptr<knul::server::CertificateStore> certificates,
       knul::udp::SocketGroup sockets, ApplicationMemorySource memory);

  knul::base::Status create_workers(const ApplicationFactory& factory);
  knul::base::Status start_workers();
  knul::base::Status start_admin();
  void log_start() const;
  void log_stop(const DrainReport& report) const;
  knul::base::Status start_watcher();
  [[nodiscard]] std::uint64_t uptime_ms() const;

  ServerOptions options_;
  const ApplicationMemorySource memory_;                          // may be empty
  std::unique_ptr<knul::server::KeyLogFile> key_log_;             // null: off. Before the members that use it
  std::unique_ptr<knul::server::QlogFiles> qlog_;                 // null: off. The same
  std::unique_ptr<knul::server::CertificateStore> certificates_;  // before the workers, which use it
  knul::base::Instant started_at_;
  bool has_started_ = false;  // its start was logged
  std::atomic<bool> is_running_{true};
  knul::udp::SocketGroup sockets_;
  std::vector<std::unique_ptr<knul::server::ClosedInForks>> closed_in_forks_;  // for the sockets
  std::vector<std::unique_ptr<knul::server::Worker>> workers_;
  std::unique_ptr<knul::admin::AdminListener> admin_;          // may be null
  std::unique_ptr<knul::server::CertificateWatcher> watcher_;  // null: certificates are not watched
};

}  // namespace krepis
