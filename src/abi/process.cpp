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

const std::uint8_t* Process::remember(std::uint64_t handle, ServiceChoice service,
                                      std::shared_ptr<channel::Hub> hub) {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] =
      records_.insert_or_assign(handle, Record{handle, std::move(service), std::move(hub)});
  return reinterpret_cast<const std::uint8_t*>(&place->second.handle_bytes);
}

std::optional<ServiceChoice> Process::service_of(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(handle);
  return found != records_.end() ? std::optional(found->second.service) : std::nullopt;
}

std::shared_ptr<channel::Hub> Process::hub_of(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(handle);
  return found != records_.end() ? found->second.hub : nullptr;
}

bool Process::claim_stop(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(handle);
  return found != records_.end() && !std::exchange(found->second.is_stopping, true);
}

void Process::cancel_stop(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  if (const auto found = records_.find(handle); found != records_.end()) {
    found->second.is_stopping = false;
  }
}

void Process::forget(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  records_.erase(handle);
}

}  // namespace knul::abi
