// Writes the records of qlog files on a thread of its own, so that no worker waits for a file system that is
// full or slow.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/qlog.hpp"
#include "base/result.hpp"
#include "posix/file_descriptor.hpp"

namespace knul::server {

struct QlogLimits {
  std::uint64_t file_bytes = 0;
  std::uint64_t total_bytes = 0;  // of all files together
};

struct QlogFigures {
  std::uint64_t files = 0;           // created
  std::uint64_t bytes = 0;           // accepted for all files
  std::uint64_t events_dropped = 0;  // the queue was full, or their file has failed
  std::uint64_t files_failed = 0;    // not created, or not written to their end
};

// Lifetime: its thread keeps it; it is detached, because it may be inside a write forever.
class QlogWriter : public std::enable_shared_from_this<QlogWriter> {
 public:
  // Bound of the records that wait, in bytes, which the files share, see base::fair_share.
  static constexpr std::size_t kMostQueuedBytes = 8 << 20;
  // Reserved for write_last().
  static constexpr std::size_t kLastRecordBytes = 1'024;

  // Creates files in `folder`. `folder_path` is for messages. Error: kQuota (threads).
  static base::Result<std::shared_ptr<QlogWriter>> start(posix::FileDescriptor folder,
                                                         std::string folder_path, QlogLimits limits,
                                                         base::LogSink& log);
  QlogWriter(const QlogWriter&) = delete;
  QlogWriter& operator=(const QlogWriter&) = delete;
  ~QlogWriter();

  // `name` is the name of a new file in the folder, which is created with its first record. Thread: any.
  // Throws std::bad_alloc.
  [[nodiscard]] std::unique_ptr<base::QlogFile> open(std::string name);
  [[nodiscard]] QlogFigures figures() const;
  // True: the limit of all files leaves too little for the beginning of another one.
  [[nodiscard]] bool is_full() const;
  // Requires that every file has ended. Waits until all is written, at most `timeout`. The thread ends then.
  // A second call returns at once.
  void stop(std::chrono::milliseconds timeout) noexcept;

 private:
  struct File;
  class Handle;
  // Records of one file that the thread writes at once.
  struct Batch {
    std::shared_ptr<File> file;
    std::string text = {};
    std::uint64_t records = 0;
    bool is_last = false;
  };

  QlogWriter(posix::FileDescriptor folder, std::string folder_path, QlogLimits limits, base::LogSink& log);

  enum class Place : bool { kUsual, kLast };
  base::QlogOutcome accept(const std::shared_ptr<File>& file, std::string_view record, Place place) noexcept;
  [[nodiscard]] bool is_full(const File& file, std::size_t bytes, Place place) const;  // requires mutex_
  void end(const std::shared_ptr<File>& file) noexcept;
  void enlist(const std::shared_ptr<File>& file);                          // requires mutex_
  [[nodiscard]] bool has_room(const File& file, std::size_t bytes) const;  // requires mutex_
  void run();
  [[nodiscard]] Batch take_batch();  // requires mutex_
  void write(const Batch& batch);
  [[nodiscard]] bool create(File& file);
  [[nodiscard]] bool write_all(File& file, std::string_view text);
  void fail(File& file, std::string_view what, int code);

  const posix::FileDescriptor folder_;
  const std::string folder_path_;
  const QlogLimits limits_;
  base::LogSink& log_;
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> files_failed_{0};
  std::atomic<std::uint64_t> events_dropped_{0};
  std::atomic<std::uint64_t> bytes_{0};

  mutable std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_ended_;
  std::deque<std::shared_ptr<File>> listed_;  // have records to write, or have ended
  std::size_t queued_bytes_ = 0;              // also those being written
  std::size_t open_files_ = 0;
  bool is_stopping_ = false;
  bool is_running_ = false;

  std::set<int> reported_errors_;  // errno; Thread: the writer's
};

}  // namespace knul::server
