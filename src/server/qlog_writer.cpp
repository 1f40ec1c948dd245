#include "server/qlog_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/fair_share.hpp"
#include "base/text.hpp"
#include "runtime/worker_thread.hpp"

namespace knul::server {

struct QlogWriter::File {
  explicit File(std::string its_name) : name(std::move(its_name)) {}

  const std::string name;
  // Guarded by the writer's mutex.
  std::string waiting;
  std::uint64_t waiting_records = 0;
  std::uint64_t accepted_bytes = 0;
  std::size_t held_bytes = 0;  // waiting and being written
  bool is_listed = false;
  bool has_ended = false;
  bool has_failed = false;
  // Thread: the writer's.
  posix::FileDescriptor descriptor;
  std::uint64_t written_bytes = 0;  // whole records
};

class QlogWriter::Handle final : public base::QlogFile {
 public:
  Handle(std::shared_ptr<QlogWriter> writer, std::shared_ptr<File> file)
      : writer_(std::move(writer)), file_(std::move(file)) {}
  ~Handle() override { writer_->end(file_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  base::QlogOutcome write(std::string_view record) noexcept override {
    return writer_->accept(file_, record, Place::kUsual);
  }
  void write_last(std::string_view record) noexcept override { writer_->accept(file_, record, Place::kLast); }

 private:
  const std::shared_ptr<QlogWriter> writer_;
  const std::shared_ptr<File> file_;
};

base::Result<std::shared_ptr<QlogWriter>> QlogWriter::start(posix::FileDescriptor folder,
                                                            std::string folder_path, QlogLimits limits,
                                                            base::LogSink& log) {
  std::shared_ptr<QlogWriter> writer(new QlogWriter(std::move(folder), std::move(folder_path), limits, log));
  writer->is_running_ = true;
  auto thread = runtime::WorkerThread::start({.name = "knul-qlog"}, [writer] { writer->run(); });
  if (!thread) {
    return std::move(thread).error();
  }
  thread->detach();
  return writer;
}

QlogWriter::QlogWriter(posix::FileDescriptor folder, std::string folder_path, QlogLimits limits,
                       base::LogSink& log)
    : folder_(std::move(folder)), folder_path_(std::move(folder_path)), limits_(limits), log_(log) {}

QlogWriter::~QlogWriter() = default;

std::unique_ptr<base::QlogFile> QlogWriter::open(std::string name) {
  auto handle = std::make_unique<Handle>(shared_from_this(), std::make_shared<File>(std::move(name)));
  const std::lock_guard lock(mutex_);
  ++open_files_;
  return handle;
}

QlogFigures QlogWriter::figures() const {
  return {files_.load(), bytes_.load(), events_dropped_.load(), files_failed_.load()};
}

bool QlogWriter::has_room(const File& file, std::size_t bytes) const {
  namespace fair_share = base::fair_share;
  return bytes <= fair_share::room_of_connection(kMostQueuedBytes - queued_bytes_, file.held_bytes,
                                                 fair_share::kHalfOfFree);
}

// A file that holds nothing yet gets no last record, so that it is not created.
bool QlogWriter::is_full(const File& file, std::size_t bytes, Place place) const {
  if (file.has_failed) {
    return true;
  }
  if (place == Place::kLast) {
    return file.accepted_bytes == 0 || bytes > kLastRecordBytes;
  }
  return file.accepted_bytes + bytes + kLastRecordBytes > limits_.file_bytes ||
         bytes_.load() + bytes + open_files_ * kLastRecordBytes > limits_.total_bytes;
}

bool QlogWriter::is_full() const {
  constexpr std::size_t kBeginningBytes = 1'024;  // the header and the first events
  const std::lock_guard lock(mutex_);
  const std::uint64_t reserved = kBeginningBytes + (open_files_ + 1) * kLastRecordBytes;
  return bytes_.load() + reserved > limits_.total_bytes;
}

base::QlogOutcome QlogWriter::accept(const std::shared_ptr<File>& file, std::string_view record,
                                     Place place) noexcept {
  const std::lock_guard lock(mutex_);
  if (is_full(*file, record.size(), place)) {
    events_dropped_.fetch_add(file->has_failed ? 1 : 0, std::memory_order_relaxed);
    return base::QlogOutcome::kFull;
  }
  try {
    if (has_room(*file, record.size())) {
      enlist(file);  // first, because it may fail
      file->waiting += record;
      ++file->waiting_records;
      file->accepted_bytes += record.size();
      file->held_bytes += record.size();
      queued_bytes_ += record.size();
      bytes_.fetch_add(record.size());
      return base::QlogOutcome::kAccepted;
    }
  } catch (...) {  // out of memory
  }
  events_dropped_.fetch_add(1, std::memory_order_relaxed);
  return base::QlogOutcome::kDropped;
}

void QlogWriter::end(const std::shared_ptr<File>& file) noexcept {
  const std::lock_guard lock(mutex_);
  file->has_ended = true;
  --open_files_;
  try {
    enlist(file);
  } catch (...) {  // out of memory; its descriptor is closed with the last reference
  }
}

void QlogWriter::enlist(const std::shared_ptr<File>& file) {
  if (!file->is_listed) {
    listed_.push_back(file);
    file->is_listed = true;
    has_work_.notify_one();
  }
}

void QlogWriter::stop(std::chrono::milliseconds timeout) noexcept {
  std::unique_lock lock(mutex_);
  if (std::exchange(is_stopping_, true)) {
    return;
  }
  has_work_.notify_one();
  // By the system clock: ThreadSanitizer of GCC 12 does not support the wait on the steady clock.
  has_ended_.wait_until(lock, std::chrono::system_clock::now() + timeout, [this] { return !is_running_; });
}

// Thread: the writer's. It blocks every signal, so a file above RLIMIT_FSIZE returns EFBIG and raises no
// SIGXFSZ.
void QlogWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [this] { return is_stopping_ || !listed_.empty(); });
    if (listed_.empty()) {
      break;
    }
    const Batch batch = take_batch();
    lock.unlock();
    write(batch);
    lock.lock();
    queued_bytes_ -= batch.text.size();
    batch.file->held_bytes -= batch.text.size();
  }
  is_running_ = false;
  has_ended_.notify_all();
}

QlogWriter::Batch QlogWriter::take_batch() {
  Batch batch{.file = std::move(listed_.front())};
  listed_.pop_front();
  File& file = *batch.file;
  file.is_listed = false;
  batch.text.swap(file.waiting);
  batch.records = std::exchange(file.waiting_records, 0);
  batch.is_last = file.has_ended;
  return batch;
}

void QlogWriter::write(const Batch& batch) {
  File& file = *batch.file;
  const bool is_written =
      batch.text.empty() || ((file.descriptor.is_open() || create(file)) && write_all(file, batch.text));
  if (!is_written) {
    events_dropped_.fetch_add(batch.records, std::memory_order_relaxed);
  }
  if (batch.is_last) {
    file.descriptor.reset();
  }
}

bool QlogWriter::create(File& file) {
  if (file.has_failed) {  // only this thread sets it
    return false;
  }
  // O_EXCL: neither an earlier file nor one that somebody else has put there.
  file.descriptor =
      posix::FileDescriptor(::openat(folder_.value(), file.name.c_str(),
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file.descriptor.is_open()) {
    fail(file, "cannot be created", errno);
    return false;
  }
  files_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// After an error the file ends with its last whole record.
bool QlogWriter::write_all(File& file, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(file.descriptor.value(), text.data() + done, text.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      const int code = written == 0 ? ENOSPC : errno;
      const std::size_t end_of_record = text.rfind('\n', done == 0 ? 0 : done - 1);
      const std::size_t whole = done == 0 || end_of_record == std::string_view::npos ? 0 : end_of_record + 1;
      // If this fails too, the file ends within a record.
      std::ignore = ::ftruncate(file.descriptor.value(), static_cast<off_t>(file.written_bytes + whole));
      fail(file, "cannot be written", code);
      return false;
    }
  }
  file.written_bytes += text.size();
  return true;
}

// Writes a line for the first failure with each error; further ones are counted only.
void QlogWriter::fail(File& file, std::string_view what, int code) {
  file.descriptor.reset();
  files_failed_.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    file.has_failed = true;
  }
  if (reported_errors_.insert(code).second) {
    log_.write(base::LogLevel::kWarning, base::LogKind::kQlog, [&] {
      return "the file " + base::quoted(file.name) + " in " + base::quoted(folder_path_) + " (qlog_folder) " +
             std::string(what) + ": " + std::system_category().message(code) +
             "; its connection goes on, and further failures with this error are only counted, in "
             "qlog_files_failed";
    });
  }
}

}  // namespace knul::server
