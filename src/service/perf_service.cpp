#include "service/perf_service.hpp"

#include <algorithm>

#include "service/service_codes.hpp"

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
  erase_all(requests_, connection);
}

void PerfService::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                 krepis::Fin fin) {
  if (!bytes.empty()) {
    stream.consume(bytes.size());
  }
  if (stream.direction() == krepis::StreamDirection::kUnidirectional) {
    return;
  }
  Request* const known = requests_.find(stream);
  if (known != nullptr && known->header_bytes == kHeaderBytes && fin == krepis::Fin::kNo) {
    return;  // after the header, only the end of the request changes its request
  }
  Request fresh;
  Request& request = known != nullptr ? *known : fresh;
  request.has_ended = request.has_ended || fin == krepis::Fin::kYes;
  if (request.header_bytes < kHeaderBytes && !request.answered) {
    take_header(request, bytes);
    if (request.header_bytes < kHeaderBytes && request.has_ended) {
      stream.reset(to_wire(ServiceCode::kPerfShortRequest));
      request.answered = true;
    }
  }
  if (has_more_to_send(request) && !request.is_blocked) {
    send_answer(stream, request);
  }
  const bool finished = request.has_ended && request.answered;
  if (known == nullptr && !finished) {
    requests_.of(stream) = fresh;
  } else if (known != nullptr && finished) {
    requests_.erase(stream);
  }
}

void PerfService::take_header(Request& request, std::span<const std::uint8_t> bytes) {
  const std::size_t taken = std::min(bytes.size(), kHeaderBytes - request.header_bytes);
  std::copy_n(bytes.begin(), taken, request.header.begin() + request.header_bytes);
  request.header_bytes = static_cast<std::uint8_t>(request.header_bytes + taken);
  if (request.header_bytes == kHeaderBytes) {
    request.remaining = read_big_endian(request.header);
  }
}

bool PerfService::has_more_to_send(const Request& request) {
  return request.header_bytes == kHeaderBytes && !request.answered &&
         (request.remaining > 0 || request.has_ended);
}

void PerfService::send_answer(krepis::Stream& stream, Request& request) {
  while (has_more_to_send(request)) {
    const std::size_t chunk = std::min<std::uint64_t>(request.remaining, kChunkBytes);
    const krepis::Fin fin{request.has_ended && chunk == request.remaining};
    const std::size_t accepted = stream.write(answer_bytes(chunk), fin);
    request.remaining -= accepted;
    request.is_blocked = accepted < chunk;
    if (request.is_blocked) {
      return;
    }
    request.answered = fin == krepis::Fin::kYes;
  }
}

void PerfService::on_stream_writable(krepis::Stream& stream) {
  if (Request* const request = requests_.find(stream)) {
    send_answer(stream, *request);
  }
}

void PerfService::on_stream_reset(krepis::Stream& stream, std::uint64_t code) {
  if (stream.direction() == krepis::StreamDirection::kUnidirectional) {
    return;
  }
  Request& request = requests_.of(stream);
  if (!request.answered) {
    stream.reset(code);
    request.answered = true;
  }
}

void PerfService::on_stop_sending(krepis::Stream& stream, std::uint64_t /*code*/) {
  // The upload continues and is still dropped.
  Request& request = requests_.of(stream);
  request.answered = true;
  request.remaining = 0;
}

void PerfService::on_stream_closed(krepis::Stream& stream) { requests_.erase(stream); }

}  // namespace knul::service
