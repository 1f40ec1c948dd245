// Stops a server on another thread, for callers that the stop would wait for.
#include <pthread.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "abi/call_guard.hpp"
#include "abi/lifecycle.hpp"

namespace knul::abi {
namespace {

struct StopRequest {
  std::uint64_t handle;
  std::chrono::milliseconds deadline;
};

void* run_stop(void* argument) {
  const std::unique_ptr<StopRequest> request(static_cast<StopRequest*>(argument));
  (void)guarded([&](Process& process) {
    return stop_claimed(process, request->handle, request->deadline, Report::kNo);
  });
  return nullptr;
}

// Detached, so that the host may exit or call dlclose without waiting for the thread. The thread blocks
// signals, because they belong to the host.
int start_detached(StopRequest& request) {
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
  const int error = ::pthread_create(&thread, &attributes, &run_stop, &request);
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  ::pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

FfiResponse stop_begin(Process& process, std::uint64_t handle, std::chrono::milliseconds deadline) {
  auto request = std::make_unique<StopRequest>(StopRequest{handle, deadline});
  if (!process.claim_stop(handle)) {
    return unknown_handle(handle);
  }
  if (const int error = start_detached(*request); error != 0) {
    process.cancel_stop(handle);
    return failure(krepis::ErrorCode::kQuotaExceeded,
                   std::string("cannot start the thread that stops the server: ") + std::strerror(error));
  }
  (void)request.release();  // run_stop owns it
  return success();
}

}  // namespace knul::abi
