#include "service/file_root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace knul::service {
namespace {

// O_NONBLOCK: a FIFO in the folder must not block the worker; fstat then refuses it.
constexpr int kFileFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
// openat2 returns EAGAIN when a name in the path is moved during the lookup.
constexpr int kLookupAttempts = 8;

int open_beneath(int folder, const std::string& path) {
  open_how how{};
  how.flags = kFileFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 1;; ++attempt) {
    const long opened = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    if (opened >= 0 || attempt == kLookupAttempts || (errno != EAGAIN && errno != EINTR)) {
      return static_cast<int>(opened);
    }
  }
}

FileRoot::Failure failure_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ENXIO:  // a socket
      return FileRoot::Failure::kNotFound;
    case EXDEV:  // RESOLVE_BENEATH
    case ELOOP:  // RESOLVE_NO_MAGICLINKS, O_NOFOLLOW
    case EACCES:
    case EPERM:
      return FileRoot::Failure::kForbidden;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return FileRoot::Failure::kTooManyFiles;
    default:
      return FileRoot::Failure::kFailed;
  }
}

krepis::Expected<FileRoot::File, FileRoot::Failure> checked(posix::FileDescriptor file) {
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) {
    return FileRoot::Failure::kFailed;
  }
  if (!S_ISREG(status.st_mode)) {
    return FileRoot::Failure::kNotFound;
  }
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  return FileRoot::File{
      std::move(file),
      static_cast<std::uint64_t>(status.st_size),
      {status.st_dev, status.st_ino, status.st_mtim.tv_sec * kNanosecondsPerSecond + status.st_mtim.tv_nsec}};
}

}  // namespace

krepis::Result<FileRoot> FileRoot::open(const std::string& folder) {
  posix::FileDescriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) {
    return krepis::Error{krepis::ErrorCode::kInvalidRequest,
                         "service_root: \"" + folder + "\": " + std::strerror(errno) + "; expected a folder"};
  }
  return FileRoot(std::move(opened));
}

krepis::Expected<FileRoot::File, FileRoot::Failure> FileRoot::open_file(const std::string& path) const {
  posix::FileDescriptor file(open_beneath(folder_.value(), path));
  if (file.is_open()) {
    return checked(std::move(file));
  }
  // EPERM may come from a seccomp filter or from the kernel; open_file_by_walking() reports the right error.
  return errno == ENOSYS || errno == EPERM ? open_file_by_walking(path) : failure_of(errno);
}

krepis::Expected<FileRoot::File, FileRoot::Failure> FileRoot::open_file_by_walking(
    const std::string& path) const {
  if (path.starts_with('/')) {
    return Failure::kForbidden;
  }
  std::string_view rest = path;
  posix::FileDescriptor folder;
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    const int parent = folder.is_open() ? folder.value() : folder_.value();
    if (name == "..") {
      return Failure::kForbidden;
    }
    const bool is_last = slash == std::string_view::npos;
    const int flags = is_last ? kFileFlags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    // An empty name, as in "a//b", is the folder itself.
    posix::FileDescriptor next(::openat(parent, name.empty() ? "." : name.c_str(), flags));
    if (!next.is_open()) {
      return failure_of(errno);
    }
    if (is_last) {
      return checked(std::move(next));
    }
    folder = std::move(next);
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace knul::service
