// The frame of every function of the C ABI: the fork check, the exception firewall, the error text.
#pragma once

#include <krepis/krepis.h>
#include <pthread.h>

#include <cstdint>
#include <exception>
#include <krepis/krepis.hpp>
#include <new>
#include <string_view>
#include <utility>

#include "abi/process.hpp"
#include "abi/thread_texts.hpp"
#include "server/fork_guard.hpp"

namespace knul::abi {

inline FfiResponse failure(krepis::ErrorCode code, std::string_view text) noexcept {
  set_last_error(text);
  return {static_cast<std::uint32_t>(code), 0, {}};
}
inline FfiResponse failure(const krepis::Error& error) noexcept { return failure(error.code, error.message); }

inline FfiResponse success(FfiBuffer result = {}) noexcept { return {0, 0, result}; }

// Cancellation of a thread unwinds its stack like an exception, which must not cross the C boundary.
class CancellationShield {
 public:
  CancellationShield() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &former_); }
  ~CancellationShield() { ::pthread_setcancelstate(former_, nullptr); }
  CancellationShield(const CancellationShield&) = delete;
  CancellationShield& operator=(const CancellationShield&) = delete;

 private:
  int former_ = PTHREAD_CANCEL_ENABLE;
};

// Runs `call(Process&)`, which returns an FfiResponse and may throw anything.
template <class Call>
FfiResponse guarded(Call&& call) noexcept {
  if (server::is_forked_child()) {
    return {KREPIS_INVALID_CONTEXT, 0, {}};  // krepis_last_error has the reason
  }
  const CancellationShield shield;
  try {
    return std::forward<Call>(call)(Process::instance());
  } catch (const std::bad_alloc&) {
    return failure(krepis::ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& exception) {
    return failure(krepis::ErrorCode::kInternal, exception.what());
  } catch (...) {
    return failure(krepis::ErrorCode::kInternal, "an exception of unknown type");
  }
}

template <class T>
[[nodiscard]] bool is_aligned(const T* pointer) noexcept {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) == 0;
}

// For the _into forms. Makes no call if `out` cannot be written.
template <class Call>
std::uint32_t guarded_into(FfiResponse* out, Call&& call) noexcept {
  if (out == nullptr) {
    return failure(krepis::ErrorCode::kInvalidPointer, "out is null, expected a pointer to an FfiResponse")
        .error_code;
  }
  if (!is_aligned(out)) {
    return failure(krepis::ErrorCode::kMemoryAlignment, "out is not aligned to 8 bytes").error_code;
  }
  *out = std::forward<Call>(call)();
  return out->error_code;
}

}  // namespace knul::abi
