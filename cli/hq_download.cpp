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
      return;  // on_streams_available follows, or the connection is going
    }
    const std::string request = "GET " + waiting_.front() + "\r\n";
    files_.emplace(*opened, File{{.path = waiting_.front()}, *std::move(sink)});
    waiting_.pop_front();
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(request.data()), request.size());
    if (connection.write(*opened, bytes, krepis::Fin::kYes) < bytes.size()) {
      connection.reset_stream(*opened, 0);
      end_file(connection, *opened, "the request is too long");
    }
  }
  if (waiting_.empty() && files_.empty()) {
    results_->finish();
  }
}

void HqDownload::on_stream_data(krepis::Connection& connection, krepis::StreamId id,
                                std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (!bytes.empty()) {
    connection.consume(id, bytes.size());
  }
  const auto found = files_.find(id);
  if (found == files_.end()) {
    return;  // given up
  }
  File& file = found->second;
  file.result.bytes += bytes.size();
  std::string error = file.sink.write(bytes);
  if (file.sink.is_reader_gone()) {
    results_->abandon();
    connection.close(0, {});
  } else if (!error.empty()) {
    connection.stop_sending(id, 0);
    end_file(connection, id, "cannot store the file: " + error);
  } else if (fin == krepis::Fin::kYes) {
    error = file.sink.complete();
    end_file(connection, id, error.empty() ? "" : "cannot store the file: " + error);
  }
}

void HqDownload::on_stream_reset(krepis::Connection& connection, krepis::StreamId id, std::uint64_t code) {
  end_file(connection, id, describe_hq_code(code));
}

void HqDownload::end_file(krepis::Connection& connection, krepis::StreamId id, std::string error) {
  const auto found = files_.find(id);
  if (found == files_.end()) {
    return;
  }
  FileResult result = std::move(found->second.result);
  result.error = std::move(error);
  files_.erase(found);
  results_->add(std::move(result));
  ask(connection);
}

void HqDownload::on_connection_closed(krepis::Connection& /*connection*/, const krepis::CloseReason& reason) {
  const std::string why = describe_close(reason, destination_);
  for (auto& [id, file] : files_) {
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
