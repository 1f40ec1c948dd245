#include "service/perf_service.hpp"

#include <algorithm>

#include "service/service_codes.hpp"
#include "service/stream_id.hpp"

namespace knul::service {
namespace {

alignas(64) constexpr std::array<std::uint8_t, PerfService::kChunkBytes> kAnswer{};

// Lifetime: the bytes are static, so the owner is empty and copies of it count no references.
krepis::SharedBytes answer_bytes(std::size_t size) {
  return {std::shared_ptr<const void>(std::shared_ptr<const void>(), kAnswer.data()),
          std::span<const std::uint8_t>(kAnswer.data(), size)};
}

std::uint64_t read_big_endian(const std::array<std::uint8_t, PerfService::kHeaderBytes>& bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) {
    value = (value << 8) | byte;
  }
  return value;
}

}  // namespace

void PerfService::on_connection_closed(krepis::Connection& connection,
                                       const krepis::CloseReason& /*reason*/) {
  connections_.erase(connection);
}

void PerfService::on_stream_data(krepis::Connection& connection, krepis::StreamId stream,
                                 std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (!bytes.empty()) {
    connection.consume(stream, bytes.size());
  }
  if (is_unidirectional(stream)) {
    return;
  }
  IdTable<Stream>& streams = connections_.of(connection).streams;
  Stream* const known = streams.find(stream);
  if (known != nullptr && known->header_bytes == kHeaderBytes && fin == krepis::Fin::kNo) {
    return;  // after the header, only the end of the request changes the stream's state
  }
  Stream fresh;
  Stream& state = known != nullptr ? *known : fresh;
  state.has_ended = state.has_ended || fin == krepis::Fin::kYes;
  if (state.header_bytes < kHeaderBytes && !state.answered) {
    take_header(state, bytes);
    if (state.header_bytes < kHeaderBytes && state.has_ended) {
      connection.reset_stream(stream, to_wire(ServiceCode::kPerfShortRequest));
      state.answered = true;
    }
  }
  if (has_more_to_send(state) && !state.is_blocked) {
    send_answer(connection, stream, state);
  }
  const bool finished = state.has_ended && state.answered;
  if (known == nullptr && !finished) {
    streams.find_or_insert(stream) = fresh;
  } else if (known != nullptr && finished) {
    streams.erase(stream);
  }
}

void PerfService::take_header(Stream& state, std::span<const std::uint8_t> bytes) {
  const std::size_t taken = std::min(bytes.size(), kHeaderBytes - state.header_bytes);
  std::copy_n(bytes.begin(), taken, state.header.begin() + state.header_bytes);
  state.header_bytes = static_cast<std::uint8_t>(state.header_bytes + taken);
  if (state.header_bytes == kHeaderBytes) {
    state.remaining = read_big_endian(state.header);
  }
}

bool PerfService::has_more_to_send(const Stream& state) {
  return state.header_bytes == kHeaderBytes && !state.answered && (state.remaining > 0 || state.has_ended);
}

void PerfService::send_answer(krepis::Connection& connection, krepis::StreamId stream, Stream& state) {
  while (has_more_to_send(state)) {
    const std::size_t chunk = std::min<std::uint64_t>(state.remaining, kChunkBytes);
    const krepis::Fin fin{state.has_ended && chunk == state.remaining};
    const std::size_t accepted = connection.write(stream, answer_bytes(chunk), fin);
    state.remaining -= accepted;
    state.is_blocked = accepted < chunk;
    if (state.is_blocked) {
      return;
    }
    state.answered = fin == krepis::Fin::kYes;
  }
}

void PerfService::on_stream_writable(krepis::Connection& connection, krepis::StreamId stream) {
  if (Stream* const state = connections_.of(connection).streams.find(stream); state != nullptr) {
    send_answer(connection, stream, *state);
  }
}

void PerfService::on_stream_reset(krepis::Connection& connection, krepis::StreamId stream,
                                  std::uint64_t code) {
  if (is_unidirectional(stream)) {
    return;
  }
  Stream& state = connections_.of(connection).streams.find_or_insert(stream);
  if (!state.answered) {
    connection.reset_stream(stream, code);
    state.answered = true;
  }
}

void PerfService::on_stop_sending(krepis::Connection& connection, krepis::StreamId stream,
                                  std::uint64_t /*code*/) {
  // The upload continues and is still dropped.
  Stream& state = connections_.of(connection).streams.find_or_insert(stream);
  state.answered = true;
  state.remaining = 0;
}

void PerfService::on_stream_closed(krepis::Connection& connection, krepis::StreamId stream) {
  connections_.of(connection).streams.erase(stream);
}

}  // namespace knul::service
