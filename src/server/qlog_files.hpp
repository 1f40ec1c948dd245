// Selects the connections that are logged as qlog, by the settings qlog_*.
#pragma once

#include <krepis/krepis.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "base/address_prefix.hpp"
#include "base/qlog.hpp"
#include "server/qlog_writer.hpp"

namespace knul::server {

// Thread: any.
class QlogFiles final : public base::QlogFiles {
 public:
  // Null without qlog_folder. Writes a warning to the log. Requires valid options. Error: kInvalidArgument or
  // kQuota; the text begins with "qlog_folder", or names the thread.
  static base::Result<std::unique_ptr<QlogFiles>> open(const krepis::ServerOptions& options,
                                                       base::LogSink& log);
  // Checks that qlog_folder exists and files can be created there; creates nothing. Without qlog_folder no
  // error. Errors: as open().
  static base::Status check(const krepis::ServerOptions& options);
  ~QlogFiles() override { finish(); }
  QlogFiles(const QlogFiles&) = delete;
  QlogFiles& operator=(const QlogFiles&) = delete;

  // Takes one of the qlog_connections, unless qlog_total_bytes is reached.
  std::unique_ptr<base::QlogFile> open(const base::SocketAddress& peer,
                                       std::span<const std::uint8_t> original_dcid) noexcept override;
  [[nodiscard]] std::uint64_t unix_ms() const noexcept override;

  // From then on the next qlog_connections are logged, as after a start.
  void renew() noexcept { left_.store(connections_, std::memory_order_relaxed); }
  // Requires that every file has ended. Waits at most kLongestFlush for records that are not written yet. A
  // second call returns at once.
  void finish() noexcept { writer_->stop(kLongestFlush); }
  [[nodiscard]] QlogFigures figures() const { return writer_->figures(); }

 private:
  static constexpr std::chrono::milliseconds kLongestFlush{2'000};

  QlogFiles(const krepis::ServerOptions& options, std::shared_ptr<QlogWriter> writer, base::LogSink& log);
  void report_full() noexcept;

  const std::shared_ptr<QlogWriter> writer_;
  const std::optional<base::AddressPrefix> peers_;  // nullopt: all
  const std::uint64_t connections_;
  const std::uint64_t total_bytes_;
  base::LogSink& log_;
  std::atomic<std::uint64_t> left_;
  std::atomic<bool> has_reported_full_{false};
};

}  // namespace knul::server
