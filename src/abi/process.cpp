#include "abi/process.hpp"

#include <new>
#include <utility>

#include "server/fork_guard.hpp"

namespace knul::abi {

Process& Process::instance() {
  static Process* const process = [] {
    if (!server::arm_fork_guard()) {
      throw std::bad_alloc();
    }
    return new Process();  // the one `new` without an owner; see Lifetime in the header
  }();
  return *process;
}

const std::uint8_t* Process::remember(std::uint64_t handle, ServiceChoice service) {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = records_.insert_or_assign(handle, Record{handle, std::move(service)});
  return reinterpret_cast<const std::uint8_t*>(&place->second.handle_bytes);
}

std::optional<ServiceChoice> Process::service_of(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(handle);
  return found != records_.end() ? std::optional(found->second.service) : std::nullopt;
}

void Process::forget(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  records_.erase(handle);
}

}  // namespace knul::abi
