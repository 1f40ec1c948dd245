#include "service/hq_service.hpp"

#include <algorithm>

#include "service/hq_request.hpp"

namespace knul::service {
namespace {

ServiceCode code_of(FileRoot::Failure failure) {
  switch (failure) {
    case FileRoot::Failure::kNotFound:
      return ServiceCode::kHqNotFound;
    case FileRoot::Failure::kForbidden:
      return ServiceCode::kHqForbidden;
    case FileRoot::Failure::kTooManyFiles:
      return ServiceCode::kHqTooManyFiles;
    case FileRoot::Failure::kFailed:
      break;
  }
  return ServiceCode::kHqReadFailed;
}

}  // namespace

HqService::HqService(std::shared_ptr<const FileRoot> root) : files_(std::move(root)), chunk_(kChunkBytes) {}

void HqService::Request::end_answer() {
  file = nullptr;
  is_answered = true;
}

void HqService::on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& /*reason*/) {
  erase_all(requests_, connection);
}

void HqService::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (!bytes.empty()) {
    stream.consume(bytes.size());
  }
  if (stream.direction() == krepis::StreamDirection::kUnidirectional) {
    return;
  }
  Request& request = requests_.of(stream);
  request.has_ended = request.has_ended || fin == krepis::Fin::kYes;
  if (request.is_answered) {
    return;
  }
  // One byte more than the maximum shows that the line is too long.
  const std::size_t room = kMaxHqRequestBytes + 1 - request.line.size();
  const auto taken = bytes.first(std::min(bytes.size(), room));
  request.line.append(taken.begin(), taken.end());
  const std::size_t line_end = request.line.find('\n');
  if (line_end == std::string::npos && request.line.size() > kMaxHqRequestBytes) {
    refuse(stream, request, ServiceCode::kHqRequestTooLong);
  } else if (line_end != std::string::npos || request.has_ended) {
    take_request(stream, request, std::string_view(request.line).substr(0, line_end));
  }
}

void HqService::take_request(krepis::Stream& stream, Request& request, std::string_view line) {
  const std::string path(parse_hq_request(line));
  if (path.empty()) {
    refuse(stream, request, ServiceCode::kHqBadRequest);
    return;
  }
  auto opened = files_.open(path);
  if (!opened) {
    refuse(stream, request, code_of(opened.error()));
    return;
  }
  request.is_answered = true;
  request.line = {};
  request.file = *std::move(opened);
  send_file(stream, request);
}

void HqService::send_file(krepis::Stream& stream, Request& request) {
  for (;;) {
    const std::uint64_t size = request.file->size();
    const std::size_t wanted = std::min<std::uint64_t>(chunk_.size(), size - request.offset);
    if (!request.file->read(chunk_.data(), wanted, request.offset)) {
      refuse(stream, request, ServiceCode::kHqReadFailed);
      return;
    }
    const krepis::Fin fin{request.offset + wanted == size};
    const std::size_t accepted = stream.write(std::span(chunk_).first(wanted), fin);
    request.offset += accepted;
    if (accepted < wanted) {
      return;  // on_stream_writable follows; bytes that were not accepted are read again
    }
    if (fin == krepis::Fin::kYes) {
      request.file = nullptr;
      return;
    }
  }
}

void HqService::refuse(krepis::Stream& stream, Request& request, ServiceCode code) {
  request.end_answer();
  request.line = {};
  stream.reset(to_wire(code));
  if (!request.has_ended) {
    stream.stop_sending(to_wire(code));
  }
}

void HqService::on_stream_writable(krepis::Stream& stream) {
  Request* const request = requests_.find(stream);
  if (request != nullptr && request->file) {
    send_file(stream, *request);
  }
}

void HqService::on_stream_reset(krepis::Stream& stream, std::uint64_t code) {
  if (stream.direction() == krepis::StreamDirection::kUnidirectional) {
    return;
  }
  Request& request = requests_.of(stream);
  if (!request.is_answered || request.file) {
    request.end_answer();
    stream.reset(code);
  }
}

void HqService::on_stop_sending(krepis::Stream& stream, std::uint64_t /*code*/) {
  requests_.of(stream).end_answer();
}

void HqService::on_stream_closed(krepis::Stream& stream) { requests_.erase(stream); }

}  // namespace knul::service
