#include "server/key_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/text.hpp"

namespace knul::server {
namespace {

base::Error refused(const std::string& path, const std::string& why) {
  return {base::ErrorKind::kInvalidArgument, "key_log_path is " + base::quoted(path) + ": " + why};
}

base::Error system_error(const std::string& path, int code) {
  if (code == ELOOP) {
    return refused(path, "is a symbolic link, expected a regular file");
  }
  base::Error error = refused(path, std::system_category().message(code));
  error.kind = code == EMFILE || code == ENFILE ? base::ErrorKind::kQuota : error.kind;
  return error;
}

base::Status check_file(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return system_error(path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return refused(path, "is not a regular file");
  }
  if ((status.st_mode & 0077) != 0) {
    return refused(path, "others may read or write the file, expected mode 0600");
  }
  return {};
}

// O_NONBLOCK: a FIFO at the path must not block the start.
posix::FileDescriptor open_file(const std::string& path, int flags) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  return posix::FileDescriptor(::open(path.c_str(), kFlags | flags, 0600));
}

// The folder of a file that does not exist yet.
base::Status check_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string name = folder.empty() ? "." : folder.string();
  return ::faccessat(AT_FDCWD, name.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? base::Status{}
                                                                           : system_error(path, errno);
}

// The line in a buffer on the stack, which is wiped: secrets must not stay in freed memory.
class Line {
 public:
  ~Line() { explicit_bzero(text_, sizeof text_); }

  bool append(std::string_view text) {
    if (text.size() > sizeof text_ - size_) {
      return false;
    }
    std::memcpy(text_ + size_, text.data(), text.size());
    size_ += text.size();
    return true;
  }
  bool append_hex(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (bytes.size() * 2 > sizeof text_ - size_) {
      return false;
    }
    for (const std::uint8_t byte : bytes) {
      text_[size_++] = kDigits[byte >> 4];
      text_[size_++] = kDigits[byte & 15];
    }
    return true;
  }
  [[nodiscard]] const char* data() const { return text_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  char text_[512];
  std::size_t size_ = 0;
};

}  // namespace

base::Result<std::unique_ptr<KeyLogFile>> KeyLogFile::open(const std::string& path, base::LogSink& log) {
  if (path.empty()) {
    return std::unique_ptr<KeyLogFile>();
  }
  posix::FileDescriptor file = open_file(path, O_CREAT);
  if (!file.is_open()) {
    return system_error(path, errno);
  }
  if (base::Status checked = check_file(file.value(), path); !checked) {
    return std::move(checked).error();
  }
  log.write(base::LogLevel::kWarning, base::LogKind::kKeyLog, [&] {
    return "the secrets of every connection are written to " + base::quoted(path) +
           " (key_log_path): whoever reads the file can decrypt captured packets";
  });
  return std::unique_ptr<KeyLogFile>(new KeyLogFile(std::move(file), path, log));
}

base::Status KeyLogFile::check(const std::string& path) {
  if (path.empty()) {
    return {};
  }
  const posix::FileDescriptor file = open_file(path, 0);
  if (file.is_open()) {
    return check_file(file.value(), path);
  }
  return errno == ENOENT ? check_folder(path) : system_error(path, errno);
}

void KeyLogFile::write(std::string_view label, std::span<const std::uint8_t> client_random,
                       std::span<const std::uint8_t> secret) noexcept {
  Line line;
  const bool fits = line.append(label) && line.append(" ") && line.append_hex(client_random) &&
                    line.append(" ") && line.append_hex(secret) && line.append("\n");
  if (!fits || ::write(file_.value(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    log_.write(base::LogLevel::kWarning, base::LogKind::kKeyLog,
               [&] { return "a secret was not written to " + base::quoted(path_) + " (key_log_path)"; });
  }
}

}  // namespace knul::server
