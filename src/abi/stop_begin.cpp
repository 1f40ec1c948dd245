// A stop for callers that the stop itself would have to wait for.
#include <pthread.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "abi/call_guard.hpp"
#include "abi/lifecycle.hpp"

namespace knul::abi {
namespace {

struct StopOrder {
  std::uint64_t handle;
  std::chrono::milliseconds deadline;
};

void* run_stop(void* argument) {
  const std::unique_ptr<StopOrder> order(static_cast<StopOrder*>(argument));
  (void)guarded(
      [&](Process& process) { return stop_claimed(process, order->handle, order->deadline, Report::kNo); });
  return nullptr;
}

// Detached: the host may exit, or call dlclose, without waiting for it. Signals are the host's.
int start_detached(StopOrder& order) {
  sigset_t all;
  sigset_t former;
  sigfillset(&all);
  pthread_attr_t attributes;
  if (const int error = ::pthread_attr_init(&attributes); error != 0) {
    return error;
  }
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_sigmask(SIG_SETMASK, &all, &former);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, &run_stop, &order);
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  ::pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

FfiResponse stop_begin(Process& process, std::uint64_t handle, std::chrono::milliseconds deadline) {
  auto order = std::make_unique<StopOrder>(StopOrder{handle, deadline});
  if (!process.claim_stop(handle)) {
    return unknown_handle(handle);
  }
  if (const int error = start_detached(*order); error != 0) {
    process.give_up_stop(handle);
    return failure(krepis::ErrorCode::kQuotaExceeded,
                   std::string("cannot start the thread that stops the server: ") + std::strerror(error));
  }
  (void)order.release();  // run_stop has it
  return success();
}

}  // namespace knul::abi
