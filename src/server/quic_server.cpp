#include <exception>

#include <krepis/krepis.hpp>

#include "server/error_codes.hpp"
#include "server/fork_guard.hpp"
#include "server/server_impl.hpp"
#include "stats/json.hpp"
#include "stats/openmetrics.hpp"

namespace krepis {

using knul::server::to_public;

const char* version() { return KNUL_VERSION; }

QuicServer::QuicServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

QuicServer::~QuicServer() {
  if (knul::server::is_forked_child()) {
    (void)impl_.release();  // the threads are the parent's, so they cannot be joined
  }
}

Result<std::unique_ptr<QuicServer>> QuicServer::start(const ServerOptions& options,
                                                      const ApplicationFactory& factory,
                                                      ApplicationMemorySource memory) {
  try {
    auto impl = Impl::start(options, factory, std::move(memory));
    if (!impl) {
      return to_public(std::move(impl).error());
    }
    return std::unique_ptr<QuicServer>(new QuicServer(*std::move(impl)));
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "start: out of memory"};
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("start: ") + failure.what()};
  }
}

Result<void> QuicServer::check(const ServerOptions& options) {
  try {
    if (auto checked = Impl::check(options); !checked) {
      return to_public(std::move(checked).error());
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "check: out of memory"};
  }
}

Result<DrainReport> QuicServer::stop(std::chrono::milliseconds deadline) {
  if (knul::server::is_forked_child() || !impl_->claim_stop()) {
    return Error{ErrorCode::kInvalidContext, "stop: the server is stopping or has stopped"};
  }
  return impl_->drain(std::max(deadline, std::chrono::milliseconds(0)));
}

Result<DrainReport> QuicServer::stop() {
  return stop(std::chrono::milliseconds(static_cast<std::int64_t>(options().drain_timeout_ms)));
}

Result<void> QuicServer::reload() {
  if (knul::server::is_forked_child() || !impl_->is_running()) {
    return Error{ErrorCode::kInvalidContext, "reload: the server is stopping or has stopped"};
  }
  try {
    if (knul::base::Status status = impl_->reload(); !status) {
      return to_public(std::move(status).error());
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "reload: out of memory"};
  }
}

bool QuicServer::is_running() const { return impl_->is_running(); }

std::uint16_t QuicServer::port() const { return impl_->options().port; }

const ServerOptions& QuicServer::options() const { return impl_->options(); }

Statistics QuicServer::stats() const { return impl_->statistics(); }

// On the stack: a thread_local with a destructor ends the process when memory is short.
void QuicServer::stats_json(std::string& out) const {
  knul::stats::ServerSnapshot snapshot;
  const auto texts = impl_->fill(snapshot);
  knul::stats::render_json(snapshot, out);
}

void QuicServer::metrics_text(std::string& out) const {
  knul::stats::ServerSnapshot snapshot;
  const auto texts = impl_->fill(snapshot);
  knul::stats::render_metrics(knul::stats::MetricsFormat::kOpenMetrics, snapshot, out);
}

Result<void> QuicServer::connections_json(std::string& out, std::size_t limit) const {
  return impl_->list_connections(out, limit);
}

Result<void> QuicServer::query_connections(std::string& out, std::string_view query) const {
  return impl_->query_connections(out, query);
}

}  // namespace krepis
