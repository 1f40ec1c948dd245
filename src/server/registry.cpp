#include <krepis/krepis.hpp>

#include <new>
#include <utility>

#include "server/pinned_slots.hpp"

namespace krepis {

using Slots = knul::server::PinnedSlots<QuicServer>;

static_assert(ServerRegistry::kMaxServers == knul::server::HandleAllocator::kCapacity);

struct ServerRegistry::State {
  Slots slots;
};

ServerRegistry::Pin::Pin(Pin&& other) noexcept
    : cell_(std::exchange(other.cell_, nullptr)), server_(std::exchange(other.server_, nullptr)) {}

ServerRegistry::Pin& ServerRegistry::Pin::operator=(Pin&& other) noexcept {
  std::swap(cell_, other.cell_);
  std::swap(server_, other.server_);
  return *this;
}

ServerRegistry::Pin::~Pin() {
  if (cell_ != nullptr) {
    Slots::unpin(*static_cast<Slots::PinCount*>(cell_));
  }
}

ServerRegistry::ServerRegistry() : state_(std::make_unique<State>()) {}

ServerRegistry::~ServerRegistry() = default;

Result<std::uint64_t> ServerRegistry::register_server(std::unique_ptr<QuicServer> server) {
  if (!server) {
    return Error{ErrorCode::kInvalidPointer, "register_server: server is null, expected a running server"};
  }
  try {
    if (const auto handle = state_->slots.insert(server)) {
      return *handle;
    }
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "no memory for an entry of the registry"};
  }
  return Error{ErrorCode::kConcurrencyLimitExceeded,
               "this process has " + std::to_string(kMaxServers) + " servers, the maximum"};
}

ServerRegistry::Pin ServerRegistry::find(std::uint64_t handle) const {
  const Slots::Found found = state_->slots.find(handle);
  return Pin(found.count, found.occupant);
}

std::unique_ptr<QuicServer> ServerRegistry::unregister(std::uint64_t handle) {
  return state_->slots.take(handle);
}

std::vector<std::uint64_t> ServerRegistry::list_handles() const {
  std::vector<std::uint64_t> handles;
  state_->slots.for_each_handle([&](std::uint64_t handle) { handles.push_back(handle); });
  return handles;
}

std::size_t ServerRegistry::count() const {
  std::size_t count = 0;
  state_->slots.for_each_handle([&](std::uint64_t) { ++count; });
  return count;
}

void ServerRegistry::for_each(const std::function<void(std::uint64_t, QuicServer&)>& visit) const {
  state_->slots.for_each_handle([&](std::uint64_t handle) {
    if (const Pin pin = find(handle)) {
      visit(handle, *pin);
    }
  });
}

}  // namespace krepis
