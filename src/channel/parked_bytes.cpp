#include "channel/parked_bytes.hpp"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace knul::channel {

void ParkedBytes::add(StreamState& stream, std::span<const std::uint8_t> bytes) {
  if (!stream.is_parked) {
    turns_.push(stream.handle);
    stream.is_parked = true;
    ++streams_;
  }
  stream.parked.insert(stream.parked.end(), bytes.begin(), bytes.end());
  count_.fetch_add(bytes.size(), std::memory_order_relaxed);
  bytes_ += bytes.size();
  stream.connection->parked_bytes += bytes.size();
  if (bytes_ > most_) {
    shed();
  }
  if (turns_.size() > 2 * streams_ + 1'024) {
    prune();
  }
}

void ParkedBytes::count_removed(StreamState& stream, std::size_t bytes) {
  if (bytes > 0) {
    count_.fetch_sub(bytes, std::memory_order_relaxed);
    bytes_ -= bytes;
    stream.connection->parked_bytes -= bytes;
  }
}

void ParkedBytes::remove(StreamState& stream, std::size_t bytes) {
  stream.parked_from += bytes;
  count_removed(stream, bytes);
  // Otherwise the buffer of a stream that always has parked bytes would grow without bound.
  if (stream.parked_from > stream.parked.size() / 2) {
    stream.parked.erase(stream.parked.begin(),
                        stream.parked.begin() + static_cast<std::ptrdiff_t>(stream.parked_from));
    stream.parked_from = 0;
  }
}

void ParkedBytes::drop(StreamState& stream) {
  count_removed(stream, stream.parked_bytes());
  stream.parked = {};
  stream.parked_from = 0;
  stream.is_fin_parked = false;
  if (std::exchange(stream.is_parked, false)) {
    --streams_;
  }
}

StreamState* ParkedBytes::take_turn() {
  StreamState* const stream = states_.find_stream(turns_.front());
  turns_.pop();
  return stream != nullptr && stream->is_parked ? stream : nullptr;
}

void ParkedBytes::queue(const StreamState& stream) {
  if (stream.is_parked) {
    turns_.push(stream.handle);
  }
}

// Closes the connections with the most parked bytes until a sixteenth of the limit is free. So the next
// search runs only after at least as many bytes have been parked.
void ParkedBytes::shed() {
  std::vector<ConnectionState*> holders;
  for (ConnectionState* state : states_.open_connections()) {
    if (state->connection != nullptr && state->parked_bytes > 0) {
      holders.push_back(state);
    }
  }
  std::ranges::sort(holders, std::greater(), &ConnectionState::parked_bytes);
  for (ConnectionState* holder : holders) {
    if (bytes_ <= most_ / 16 * 15) {
      return;
    }
    holder->connection->close(KREPIS_CODE_OVERLOADED, "the channel has no room for more bytes");
    drop_all(*holder);
  }
}

void ParkedBytes::drop_all(ConnectionState& state) {
  for (StreamState& stream : state.streams) {
    if (stream.parked_bytes() > 0) {
      drop(stream);
      stream.is_receive_closed = true;
    }
  }
}

// ReceiveSide::unpark_all removes ended streams from the list, but only after ranges were released. This
// removes them while the arena stays full.
void ParkedBytes::prune() {
  for (std::size_t left = queue_length(); left > 0; --left) {
    if (const StreamState* const stream = take_turn()) {
      queue(*stream);
    }
  }
}

}  // namespace knul::channel
