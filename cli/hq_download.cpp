#include "cli/hq_download.hpp"

#include <array>
#include <cstdio>

namespace knul::cli {

void DownloadResults::add(FileResult result) {
  const std::lock_guard lock(mutex_);
  if (is_abandoned_) {
    return;
  }
  fresh_.push_back(std::move(result));
  changed_.notify_all();
}

void DownloadResults::finish() {
  const std::lock_guard lock(mutex_);
  is_finished_ = true;
  changed_.notify_all();
}

void DownloadResults::abandon() {
  const std::lock_guard lock(mutex_);
  is_finished_ = is_abandoned_ = true;
  changed_.notify_all();
}

std::vector<FileResult> DownloadResults::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_finished_ || !fresh_.empty(); });
  return std::exchange(fresh_, {});
}

bool DownloadResults::is_abandoned() {
  const std::lock_guard lock(mutex_);
  return is_abandoned_;
}

HqDownload::HqDownload(DownloadPlan plan, Destination destination, std::shared_ptr<DownloadResults> results)
    : plan_(std::move(plan)),
      destination_(std::move(destination)),
      results_(std::move(results)),
      waiting_(plan_.paths.begin(), plan_.paths.end()) {}

void HqDownload::on_connection(krepis::Connection& connection) { ask(connection); }

void HqDownload::on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) {
  if (direction == krepis::StreamDirection::kBidirectional) {
    ask(connection);
  }
}

void HqDownload::ask(krepis::Connection& connection) {
  while (!waiting_.empty() && files_.size() < plan_.parallel) {
    auto sink = plan_.folder.empty() ? Outcome<FileSink>(FileSink::standard_output())
                                     : FileSink::in_folder(plan_.folder, waiting_.front());
    if (!sink) {
      results_->add({.path = waiting_.front(), .error = sink.error().message});
      waiting_.pop_front();
      continue;
    }
    const auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened) {
      return;  // on_streams_available follows, unless the connection is closing
    }
    const std::string request = "GET " + waiting_.front() + "\r\n";
    krepis::Stream& stream = **opened;
    stream.set_user(&files_.emplace_back(File{{.path = waiting_.front()}, *std::move(sink)}));
    waiting_.pop_front();
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(request.data()), request.size());
    if (stream.write(bytes, krepis::Fin::kYes) < bytes.size()) {
      stream.reset(0);
      end_file(stream, "the request is too long");
    }
  }
  if (waiting_.empty() && files_.empty()) {
    results_->finish();
  }
}

void HqDownload::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                krepis::Fin fin) {
  if (!bytes.empty()) {
    stream.consume(bytes.size());
  }
  if (stream.user() == nullptr) {
    return;  // given up
  }
  File& file = *static_cast<File*>(stream.user());
  file.result.bytes += bytes.size();
  std::string error = file.sink.write(bytes);
  if (file.sink.is_reader_gone()) {
    results_->abandon();
    stream.connection().close(0, {});
  } else if (!error.empty()) {
    stream.stop_sending(0);
    end_file(stream, "cannot store the file: " + error);
  } else if (fin == krepis::Fin::kYes) {
    error = file.sink.complete();
    end_file(stream, error.empty() ? "" : "cannot store the file: " + error);
  }
}

void HqDownload::on_stream_reset(krepis::Stream& stream, std::uint64_t code) {
  end_file(stream, describe_hq_code(code));
}

void HqDownload::end_file(krepis::Stream& stream, std::string error) {
  auto* const ended = static_cast<File*>(stream.user());
  if (ended == nullptr) {
    return;
  }
  stream.set_user(nullptr);
  FileResult result = std::move(ended->result);
  result.error = std::move(error);
  files_.remove_if([&](const File& file) { return &file == ended; });
  results_->add(std::move(result));
  ask(stream.connection());
}

void HqDownload::on_connection_closed(krepis::Connection& /*connection*/, const krepis::CloseReason& reason) {
  const std::string why = describe_close(reason, destination_);
  for (File& file : files_) {
    file.result.error = why;
    results_->add(std::move(file.result));
  }
  for (std::string& path : waiting_) {
    results_->add({.path = std::move(path), .error = why});
  }
  files_.clear();
  waiting_.clear();
  results_->finish();
}

std::string describe_hq_code(std::uint64_t code) {
  constexpr std::uint64_t kHq = 0x4851;
  if (code >> 16 != kHq) {
    return "the server refused the request with code " + std::to_string(code);
  }
  switch (code & 0xffff) {
    case 400:
      return "bad request (400)";
    case 403:
      return "forbidden (403)";
    case 404:
      return "not found (404)";
    case 414:
      return "the path is too long (414)";
    case 500:
      return "the server could not read the file (500)";
    case 503:
      return "the server has too many files open (503)";
    default:
      return "the server refused the request with status " + std::to_string(code & 0xffff);
  }
}

}  // namespace knul::cli
