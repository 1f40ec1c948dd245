// A folder of which regular files may be read, and nothing outside of it.
#pragma once

#include <cstdint>
#include <string>

#include <krepis/krepis.hpp>

#include "posix/file_descriptor.hpp"

namespace knul::service {

class FileRoot {
 public:
  enum class Failure : std::uint8_t { kNotFound, kForbidden, kTooManyFiles, kFailed };
  // Differs where a path has come to lead to another file, or the file was written to.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t changed_at_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  struct File {
    posix::FileDescriptor descriptor;
    std::uint64_t size = 0;
    Identity identity = {};
  };

  static krepis::Result<FileRoot> open(const std::string& folder);

  // `path` is relative to the root. Names that lead out of the root, by "..", by an absolute name or by a
  // symbolic link, are kForbidden; what is not a regular file is kNotFound.
  // Thread: any.
  [[nodiscard]] krepis::Expected<File, Failure> open_file(const std::string& path) const;

  // Linux < 5.6 and containers that forbid openat2: the same by walking, which follows no symbolic link
  // at all. Public, because a kernel has either the one or the other.
  [[nodiscard]] krepis::Expected<File, Failure> open_file_by_walking(const std::string& path) const;

 private:
  explicit FileRoot(posix::FileDescriptor folder) : folder_(std::move(folder)) {}

  posix::FileDescriptor folder_;
};

}  // namespace knul::service
