#include "server/credential_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "posix/file_descriptor.hpp"
#include "server/secrets.hpp"

namespace knul::server {

namespace {

struct Named {
  std::string_view what;
  const std::string& path;

  [[nodiscard]] base::Error error(std::string_view why) const {
    return {base::ErrorKind::kCredentials, credential_source(what, path) + ": " + std::string(why)};
  }
  [[nodiscard]] base::Error system_error(int code) const {
    const auto kind =
        code == EMFILE || code == ENFILE ? base::ErrorKind::kQuota : base::ErrorKind::kCredentials;
    base::Error failure = error(std::system_category().message(code));
    failure.kind = kind;
    return failure;
  }
};

// The present size of the file.
base::Result<std::size_t> size_of_regular(const Named& named, int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return named.system_error(errno);
  }
  if (S_ISREG(status.st_mode)) {
    return static_cast<std::size_t>(status.st_size);
  }
  return named.error(S_ISDIR(status.st_mode) ? "is a directory, expected a PEM file"
                                             : "is not a regular file, expected a PEM file");
}

ssize_t read_some(int fd, char* to, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(fd, to, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

std::string credential_source(std::string_view what, const std::string& path) {
  constexpr std::size_t kShown = 240;  // so that the reason behind it is still read
  const std::string shown =
      path.size() <= 2 * kShown ? path : path.substr(0, kShown) + "..." + path.substr(path.size() - kShown);
  return std::string(what) + " \"" + shown + '"';
}

base::Result<std::string> read_credential_file(std::string_view what, const std::string& path) {
  const Named named{what, path};
  // O_NONBLOCK: opening a FIFO or a serial line must not wait for the other end.
  posix::FileDescriptor fd;
  do {
    fd = posix::FileDescriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  } while (!fd.is_open() && errno == EINTR);
  if (!fd.is_open()) {
    return named.system_error(errno);
  }
  const auto size = size_of_regular(named, fd.value());
  if (!size) {
    return size.error();
  }
  constexpr std::size_t kStep = 16 << 10;
  std::string bytes;
  const Wiped wiped(bytes);  // after an error
  // Reserved at once: growing would free memory with copies of a key.
  bytes.reserve(std::min(*size, kMaxCredentialFileBytes) + 2 * kStep);
  std::size_t used = 0;
  for (;;) {
    bytes.resize(used + kStep);
    const ssize_t got = read_some(fd.value(), bytes.data() + used, kStep);
    if (got < 0) {
      return named.system_error(errno);
    }
    used += static_cast<std::size_t>(got);
    if (used > kMaxCredentialFileBytes) {
      return named.error("is larger than 1 MiB");
    }
    if (got == 0) {
      break;
    }
  }
  bytes.resize(used);
  if (bytes.empty()) {
    return named.error("is empty, expected a PEM file");
  }
  return bytes;
}

}  // namespace knul::server
