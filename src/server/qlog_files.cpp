#include "server/qlog_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace knul::server {
namespace {

base::Error folder_error(const std::string& path, int code) {
  const bool is_quota = code == EMFILE || code == ENFILE;
  return {is_quota ? base::ErrorKind::kQuota : base::ErrorKind::kInvalidArgument,
          "qlog_folder is " + base::quoted(path) + ": " + std::system_category().message(code)};
}

base::Result<posix::FileDescriptor> open_folder(const std::string& path) {
  posix::FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY));
  if (!folder.is_open()) {
    return folder_error(path, errno);
  }
  return folder;
}

}  // namespace

base::Result<std::unique_ptr<QlogFiles>> QlogFiles::open(const krepis::ServerOptions& options,
                                                         base::LogSink& log) {
  const std::string& path = options.qlog_folder;
  if (path.empty()) {
    return std::unique_ptr<QlogFiles>();
  }
  auto folder = open_folder(path);
  if (!folder) {
    return std::move(folder).error();
  }
  auto writer =
      QlogWriter::start(*std::move(folder), path, {options.qlog_file_bytes, options.qlog_total_bytes}, log);
  if (!writer) {
    return std::move(writer).error();
  }
  log.write(base::LogLevel::kWarning, base::LogKind::kQlog, [&] {
    return "up to " + std::to_string(options.qlog_connections) + " connections of " +
           (options.qlog_peers.empty() ? "all peers" : options.qlog_peers) + " are logged in " +
           base::quoted(path) + " (qlog_folder): whoever reads the files sees addresses, sizes and timing";
  });
  return std::unique_ptr<QlogFiles>(new QlogFiles(options, *std::move(writer), log));
}

base::Status QlogFiles::check(const krepis::ServerOptions& options) {
  const std::string& path = options.qlog_folder;
  if (path.empty()) {
    return {};
  }
  const auto folder = open_folder(path);
  if (!folder) {
    return folder.error();
  }
  return ::faccessat(folder->value(), ".", W_OK | X_OK, AT_EACCESS) == 0 ? base::Status{}
                                                                         : folder_error(path, errno);
}

QlogFiles::QlogFiles(const krepis::ServerOptions& options, std::shared_ptr<QlogWriter> writer,
                     base::LogSink& log)
    : writer_(std::move(writer)),
      peers_(base::AddressPrefix::parse(options.qlog_peers)),
      connections_(options.qlog_connections),
      total_bytes_(options.qlog_total_bytes),
      log_(log),
      left_(options.qlog_connections) {}

std::unique_ptr<base::QlogFile> QlogFiles::open(const base::SocketAddress& peer,
                                                std::span<const std::uint8_t> original_dcid) noexcept {
  std::uint64_t left = left_.load(std::memory_order_relaxed);
  if (left == 0 || (peers_ && !peers_->contains(peer))) {
    return nullptr;
  }
  if (writer_->is_full()) {
    report_full();
    return nullptr;
  }
  while (!left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    if (left == 0) {
      return nullptr;
    }
  }
  try {
    return writer_->open(base::hexadecimal(original_dcid) + "_server.sqlog");
  } catch (...) {  // out of memory
    return nullptr;
  }
}

void QlogFiles::report_full() noexcept {
  if (has_reported_full_.exchange(true)) {
    return;
  }
  log_.write(base::LogLevel::kWarning, base::LogKind::kQlog, [&] {
    return "the qlog files have reached qlog_total_bytes, " + std::to_string(total_bytes_) +
           " bytes: no further connection is logged until the server starts again";
  });
}

std::uint64_t QlogFiles::unix_ms() const noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace knul::server
