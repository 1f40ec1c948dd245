// A folder whose regular files may be read. Nothing outside it can be opened.
#pragma once

#include <cstdint>
#include <string>

#include <krepis/krepis.hpp>

#include "posix/file_descriptor.hpp"

namespace knul::service {

class FileRoot {
 public:
  enum class Failure : std::uint8_t { kNotFound, kForbidden, kTooManyFiles, kFailed };
  // Two reads of a path have different identities if another file took its place or the file was written to.
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

  // `path` is relative to the root. A path that leaves the root, by "..", an absolute name or a symbolic
  // link, is kForbidden; a path to anything but a regular file is kNotFound. Thread: any.
  [[nodiscard]] krepis::Expected<File, Failure> open_file(const std::string& path) const;

  // For Linux < 5.6 and containers that forbid openat2: the same by walking the path, without following any
  // symbolic link. Public for tests, because a kernel has only one of the two.
  [[nodiscard]] krepis::Expected<File, Failure> open_file_by_walking(const std::string& path) const;

 private:
  explicit FileRoot(posix::FileDescriptor folder) : folder_(std::move(folder)) {}

  posix::FileDescriptor folder_;
};

}  // namespace knul::service
