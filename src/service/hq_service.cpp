#include "service/hq_service.hpp"

#include <algorithm>

#include "service/hq_request.hpp"
#include "service/stream_id.hpp"

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

void HqService::on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& /*reason*/) {
  connections_.erase(connection);
}

void HqService::on_stream_data(krepis::Connection& connection, krepis::StreamId id,
                               std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (!bytes.empty()) {
    connection.consume(id, bytes.size());
  }
  if (is_unidirectional(id)) {
    return;
  }
  Stream& stream = connections_.of(connection).streams.find_or_insert(id);
  stream.has_ended = stream.has_ended || fin == krepis::Fin::kYes;
  if (stream.is_answered) {
    return;
  }
  // One byte more than the maximum shows that the line is too long.
  const std::size_t room = kMaxHqRequestBytes + 1 - stream.request.size();
  const auto taken = bytes.first(std::min(bytes.size(), room));
  stream.request.append(taken.begin(), taken.end());
  const std::size_t line_end = stream.request.find('\n');
  if (line_end == std::string::npos && stream.request.size() > kMaxHqRequestBytes) {
    refuse(connection, id, stream, ServiceCode::kHqRequestTooLong);
  } else if (line_end != std::string::npos || stream.has_ended) {
    take_request(connection, id, stream, std::string_view(stream.request).substr(0, line_end));
  }
}

void HqService::take_request(krepis::Connection& connection, krepis::StreamId id, Stream& stream,
                             std::string_view line) {
  const std::string path(parse_hq_request(line));
  if (path.empty()) {
    refuse(connection, id, stream, ServiceCode::kHqBadRequest);
    return;
  }
  auto opened = files_.open(path);
  if (!opened) {
    refuse(connection, id, stream, code_of(opened.error()));
    return;
  }
  stream.is_answered = true;
  stream.request = {};
  stream.file = *std::move(opened);
  send_file(connection, id, stream);
}

void HqService::send_file(krepis::Connection& connection, krepis::StreamId id, Stream& stream) {
  for (;;) {
    const std::uint64_t size = stream.file->size();
    const std::size_t wanted = std::min<std::uint64_t>(chunk_.size(), size - stream.offset);
    if (!stream.file->read(chunk_.data(), wanted, stream.offset)) {
      refuse(connection, id, stream, ServiceCode::kHqReadFailed);
      return;
    }
    const krepis::Fin fin{stream.offset + wanted == size};
    const std::size_t accepted = connection.write(id, std::span(chunk_).first(wanted), fin);
    stream.offset += accepted;
    if (accepted < wanted) {
      return;  // on_stream_writable follows; bytes that were not accepted are read again
    }
    if (fin == krepis::Fin::kYes) {
      stream.file = nullptr;
      return;
    }
  }
}

void HqService::refuse(krepis::Connection& connection, krepis::StreamId id, Stream& stream,
                       ServiceCode code) {
  stream.file = nullptr;
  stream.is_answered = true;
  stream.request = {};
  connection.reset_stream(id, to_wire(code));
  if (!stream.has_ended) {
    connection.stop_sending(id, to_wire(code));
  }
}

void HqService::on_stream_writable(krepis::Connection& connection, krepis::StreamId id) {
  Stream* const stream = connections_.of(connection).streams.find(id);
  if (stream != nullptr && stream->file) {
    send_file(connection, id, *stream);
  }
}

void HqService::on_stream_reset(krepis::Connection& connection, krepis::StreamId id, std::uint64_t code) {
  if (is_unidirectional(id)) {
    return;
  }
  Stream& stream = connections_.of(connection).streams.find_or_insert(id);
  if (!stream.is_answered || stream.file) {
    stream.file = nullptr;
    stream.is_answered = true;
    connection.reset_stream(id, code);
  }
}

void HqService::on_stop_sending(krepis::Connection& connection, krepis::StreamId id, std::uint64_t /*code*/) {
  Stream& stream = connections_.of(connection).streams.find_or_insert(id);
  stream.file = nullptr;
  stream.is_answered = true;
}

void HqService::on_stream_closed(krepis::Connection& connection, krepis::StreamId id) {
  connections_.of(connection).streams.erase(id);
}

}  // namespace knul::service
