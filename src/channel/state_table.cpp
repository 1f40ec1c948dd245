#include "channel/state_table.hpp"

#include <cassert>
#include <memory>
#include <mutex>
#include <utility>

namespace knul::channel {

StateTable::StateTable(HandleTable& table, const EventRing& ring, Mailbox& mailbox)
    : table_(table), ring_(ring), mailbox_(mailbox) {
  spare_.reserve(kMostSpareStates);
}

void StateTable::detach() {
  spare_.clear();
  most_spare_ = 0;
}

StreamState* StateTable::find_stream(std::uint32_t handle) const {
  Entry* const entry = table_.find(handle);
  return entry != nullptr && entry->has(Entry::kIsStream) ? static_cast<StreamState*>(entry->object.get())
                                                          : nullptr;
}

ConnectionState* StateTable::find_connection(std::uint32_t handle) const {
  Entry* const entry = table_.find(handle);
  return entry != nullptr && !entry->has(Entry::kIsStream)
             ? static_cast<ConnectionState*>(entry->object.get())
             : nullptr;
}

StreamState& StateTable::add_stream(Entry& entry) {
  std::unique_ptr<StreamState> state;
  if (spare_.empty()) {
    state = std::make_unique<StreamState>();
  } else {
    state = std::move(spare_.back());
    spare_.pop_back();
  }
  StreamState& stream = *state;
  stream.entry = &entry;
  entry.object = std::move(state);
  return stream;
}

void StateTable::free_when_read(std::uint32_t handle) {
  deferred_.push({ring_.next_sequence() - 1, handle, DeferredAction::Kind::kFreeEntry});
}

void StateTable::release_when_read(const StreamState& stream) {
  if (stream.is_retained) {
    deferred_.push({ring_.next_sequence() - 1, stream.handle, DeferredAction::Kind::kReleaseStream});
  }
}

void StateTable::run_due() {
  while (!deferred_.empty() && (ring_.is_sealed() || ring_.has_passed(deferred_.front().sequence))) {
    const DeferredAction action = deferred_.front();
    deferred_.pop();
    run(action);
  }
}

void StateTable::run(const DeferredAction& action) {
  if (StreamState* stream = find_stream(action.handle)) {
    if (action.kind == DeferredAction::Kind::kFreeEntry) {
      stream->is_read_to_its_end = true;
      free_if_released(*stream);
    } else if (std::exchange(stream->is_retained, false) && stream->stream != nullptr) {
      stream->stream->release();
    }
  } else if (ConnectionState* state = find_connection(action.handle)) {
    state->is_read_to_its_end = true;
    free_if_released(*state);
  }
}

void StateTable::free_if_released(StreamState& stream) {
  if (stream.is_read_to_its_end && stream.unreleased_ranges == 0) {
    stream.is_read_to_its_end = false;
    to_free_.push_back(stream.entry);
  }
}

// unreleased_bytes includes the bytes of its streams, so the connection is not freed before them.
void StateTable::free_if_released(ConnectionState& state) {
  if (state.is_read_to_its_end && state.unreleased_bytes == 0) {
    state.is_read_to_its_end = false;
    to_free_.push_back(state.entry);
  }
}

void StateTable::free_entries() {
  if (to_free_.empty()) {
    return;
  }
  for (Entry* entry : to_free_) {
    if (entry->has(Entry::kIsStream)) {
      recycle_state(*entry);
    }
  }
  const std::lock_guard lock(mailbox_.mutex);
  for (Entry* entry : to_free_) {
    table_.release(*entry);
  }
  to_free_.clear();
}

// Releases the resources of the state at once, and keeps its memory for the next stream.
void StateTable::recycle_state(Entry& entry) {
  assert(entry.object != nullptr);
  if (spare_.size() == most_spare_) {
    return;
  }
  auto& state = static_cast<StreamState&>(*entry.object);
  std::destroy_at(&state);
  std::construct_at(&state);
  spare_.emplace_back(static_cast<StreamState*>(entry.object.release()));
}

}  // namespace knul::channel
