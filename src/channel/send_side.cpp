#include "channel/send_side.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

namespace knul::channel {
namespace {

krepis::Fin to_fin(bool is_fin) { return is_fin ? krepis::Fin::kYes : krepis::Fin::kNo; }

}  // namespace

void SendSide::append_pending(StreamState& stream, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    if (stream.pending.empty() || stream.pending.back().room.empty()) {
      const std::size_t size =
          std::clamp(bytes.size(), WriteBuffers::kSmallestBytes, WriteBuffers::kLargestBytes);
      const std::shared_ptr<std::uint8_t[]> buffer = core_.write_buffers.make(size);
      stream.pending.push({{buffer, {buffer.get(), 0}}, {buffer.get(), size}});
    }
    auto& [unsent, room] = stream.pending.back();
    const std::size_t count = std::min(bytes.size(), room.size());
    std::memcpy(room.data(), bytes.data(), count);
    unsent.bytes = {unsent.bytes.data(), unsent.bytes.size() + count};
    room = room.subspan(count);
    bytes = bytes.subspan(count);
  }
}

void SendSide::write(StreamState& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (stream.is_send_closed) {
    return;
  }
  std::size_t taken = 0;
  if (stream.stream != nullptr && stream.pending.empty()) {
    taken = stream.stream->write(bytes, fin);
    count_accepted(stream, taken);
  }
  if (taken < bytes.size() || stream.stream == nullptr || !stream.pending.empty()) {
    append_pending(stream, bytes.subspan(taken));
    stream.is_fin_pending = fin == krepis::Fin::kYes;
  }
  report_writable(stream);
}

void SendSide::write(StreamState& stream, krepis::SharedBytes bytes, krepis::Fin fin) {
  if (stream.is_send_closed) {
    return;
  }
  if (stream.stream != nullptr && stream.pending.empty()) {
    const std::size_t taken = stream.stream->write(bytes, fin);
    count_accepted(stream, taken);
    bytes.bytes = bytes.bytes.subspan(taken);
    if (bytes.bytes.empty()) {
      return report_writable(stream);
    }
  }
  stream.pending.push({std::move(bytes), {}});
  stream.is_fin_pending = fin == krepis::Fin::kYes;
  report_writable(stream);
}

void SendSide::flush(StreamState& stream) {
  if (stream.stream == nullptr || stream.is_send_closed) {
    return;
  }
  while (!stream.pending.empty()) {
    krepis::SharedBytes& unsent = stream.pending.front().unsent;
    const krepis::Fin fin = to_fin(stream.is_fin_pending && stream.pending.size() == 1);
    // The connection copies a small piece. A shared one would keep its whole buffer until it is acknowledged.
    const std::size_t taken = unsent.bytes.size() < WriteBuffers::kSmallestBytes
                                  ? stream.stream->write(unsent.bytes, fin)
                                  : stream.stream->write(unsent, fin);
    count_accepted(stream, taken);
    unsent.bytes = unsent.bytes.subspan(taken);
    if (!unsent.bytes.empty()) {
      break;
    }
    stream.is_fin_pending = stream.is_fin_pending && stream.pending.size() > 1;
    stream.pending.pop();
  }
  if (stream.pending.empty() && std::exchange(stream.is_fin_pending, false)) {
    stream.stream->write(std::span<const std::uint8_t>{}, krepis::Fin::kYes);
  }
  report_writable(stream);
}

void SendSide::count_accepted(StreamState& stream, std::size_t bytes) {
  stream.entry->queued.fetch_sub(static_cast<std::uint32_t>(bytes), std::memory_order_relaxed);
  core_.queued_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  release_held_bytes(*stream.connection->entry, core_.server->writes, bytes);
}

void SendSide::request_writable(StreamState& stream) {
  stream.wants_writable = true;
  report_writable(stream);
}

void SendSide::report_writable(StreamState& stream) {
  if (!stream.wants_writable || stream.is_send_closed) {
    return;
  }
  Entry& connection = *stream.connection->entry;
  const std::uint64_t window = stream.connection->connection->info().congestion_window_bytes;
  connection.allowance.store(WriteBudget::allowance_of(window), std::memory_order_relaxed);
  const WriteBudget::Usage usage = usage_of(*stream.entry, connection);
  const std::uint64_t limit = std::min<std::uint64_t>(core_.settings.queue_bytes, usage.allowance);
  const std::uint64_t room = core_.server->writes.room_of(usage);
  // When memory is short, the event waits until the stream has no queued bytes. It then has its floor.
  const bool is_worth_reporting = room >= std::min(limit / 2, WriteBudget::kStreamAllowanceBytes / 2);
  if (usage.of_stream > limit / 2 || (usage.of_stream > 0 && !is_worth_reporting)) {
    return;
  }
  stream.wants_writable = false;
  stream.entry->remove(Entry::kAwaitsWritable);
  FfiEvent event = events_.make(KREPIS_EVENT_STREAM_WRITABLE, stream);
  event.value =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(core_.settings.queue_bytes - usage.of_stream, room));
  events_.push(stream, event);
}

void SendSide::reset(StreamState& stream, std::uint64_t code) {
  if (stream.is_send_closed) {
    return;
  }
  stream.is_clean = false;
  end(stream);
  stream.stream->reset(code);
}

void SendSide::handle_stop_sending(StreamState& stream, std::uint64_t code) {
  end(stream);
  stream.is_clean = false;
  FfiEvent event = events_.make(KREPIS_EVENT_STOP_SENDING, stream);
  event.code = code;
  events_.push(stream, event);
}

void SendSide::end(StreamState& stream) {
  stream.is_send_closed = true;
  stream.is_fin_pending = false;
  stream.wants_writable = false;
  stream.pending.clear();
  // Under the lock, so that no write is counted afterwards.
  const std::lock_guard lock(mailbox_.mutex);
  stream.entry->add(Entry::kIsSendClosed);
  const std::uint32_t queued = stream.entry->queued.exchange(0, std::memory_order_relaxed);
  core_.queued_bytes.fetch_sub(queued, std::memory_order_relaxed);
  if (stream.connection != nullptr && stream.connection->connection != nullptr) {
    release_held_bytes(*stream.connection->entry, core_.server->writes, queued);
  }
}

}  // namespace knul::channel
