// The thread that reloads changed certificate files (setting watch_certificates).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/completion_latch.hpp"
#include "runtime/worker_thread.hpp"
#include "server/certificate_store.hpp"
#include "server/certificate_watch.hpp"

namespace knul::server {

// The states of the files of a store now, through symbolic links: of its pairs, then of its authorities.
[[nodiscard]] std::vector<PairState> states_of(const CertificateStore& store);

// Looks at the files once a second, more often while they change. Symbolic links are followed at each look,
// so that a link that is moved to other files, as certbot and Kubernetes do it, is a change.
// Thread: any may call stop(). Lifetime: the store outlives it.
class CertificateWatcher {
 public:
  // The store was loaded with `watch_certificates`. Error: kQuota (threads).
  static base::Result<std::unique_ptr<CertificateWatcher>> start(CertificateStore& store,
                                                                 const std::string& thread_name);
  ~CertificateWatcher() { stop(); }
  CertificateWatcher(const CertificateWatcher&) = delete;
  CertificateWatcher& operator=(const CertificateWatcher&) = delete;

  // Blocks until the thread has ended: for a reload in progress some milliseconds, but as long as a file
  // system that hangs.
  void stop();

 private:
  explicit CertificateWatcher(CertificateStore& store) : store_(store), watch_(store.first_states()) {}
  void run() noexcept;
  void look();

  CertificateStore& store_;
  CertificateWatch watch_;  // the thread's own
  runtime::CompletionLatch stopping_{1};
  runtime::WorkerThread thread_;
};

}  // namespace knul::server
