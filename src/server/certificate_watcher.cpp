#include "server/certificate_watcher.hpp"

#include <sys/stat.h>

#include <utility>

#include "posix/clock.hpp"

namespace knul::server {
namespace {

FileState state_of(const CredentialSource& source) {
  struct stat status {};
  if (!source.is_file()) {
    return {.exists = true};
  }
  if (::stat(source.file.c_str(), &status) != 0) {
    return {};
  }
  return {.exists = true,
          .device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .changed_ns = status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec};
}

}  // namespace

std::vector<PairState> states_of(const CertificateStore& store) {
  std::vector<PairState> states;
  states.reserve(store.sources().size() + 1);
  for (const PairSource& pair : store.sources()) {
    states.push_back({state_of(pair.certificate), state_of(pair.key)});
  }
  // As both halves of a pair, because this file is complete by itself.
  const FileState authorities = state_of(store.authorities());
  states.push_back({authorities, authorities});
  return states;
}

base::Result<std::unique_ptr<CertificateWatcher>> CertificateWatcher::start(CertificateStore& store,
                                                                            const std::string& thread_name) {
  std::unique_ptr<CertificateWatcher> watcher(new CertificateWatcher(store));
  auto thread = runtime::WorkerThread::start({.name = thread_name}, [at = watcher.get()] { at->run(); });
  if (!thread) {
    return std::move(thread).error();
  }
  watcher->thread_ = *std::move(thread);
  return watcher;
}

void CertificateWatcher::stop() {
  stopping_.count_down();
  thread_.join();
}

void CertificateWatcher::run() noexcept {
  while (!stopping_.wait_until(posix::monotonic_now() + watch_.pause())) {
    try {
      look();
    } catch (...) {  // lack of memory: the next look does the missed work
    }
  }
}

void CertificateWatcher::look() {
  const auto advice = watch_.observe(states_of(store_), posix::monotonic_now());
  if (advice != CertificateWatch::Advice::kWait) {
    const auto report =
        advice == CertificateWatch::Advice::kReload ? ReportFailure::kYes : ReportFailure::kNo;
    watch_.note_result(store_.reload(report).has_value());
  }
}

}  // namespace knul::server
