// Files that are being sent. At most kMost of them have a descriptor. To open another, the least recently
// used descriptor is closed; its file is opened again at its next use. So any number of stalled readers
// cannot keep other requests from being served.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "service/file_root.hpp"

namespace knul::service {

// Thread: one. Lifetime: outlives its files.
class OpenFiles {
 public:
  static constexpr std::size_t kMost = 256;
  using Failure = FileRoot::Failure;

  class File {
   public:
    ~File() { owner_.close(*this); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] std::uint64_t size() const { return size_; }
    // Reads `count` bytes at `offset`. False: the read failed, the file is shorter now, or another file took
    // its place.
    [[nodiscard]] bool read(std::uint8_t* out, std::size_t count, std::uint64_t offset);

   private:
    friend class OpenFiles;
    File(OpenFiles& owner, std::string path) : owner_(owner), path_(std::move(path)) {}

    OpenFiles& owner_;
    const std::string path_;
    FileRoot::Identity identity_;
    std::uint64_t size_ = 0;
    posix::FileDescriptor descriptor_;
    std::list<File*>::iterator place_;  // while descriptor_ is open
  };

  explicit OpenFiles(std::shared_ptr<const FileRoot> root) : root_(std::move(root)) {}
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;

  // `path` is that of FileRoot::open_file. kTooManyFiles only if the process has no free descriptor and no
  // descriptor here can be closed.
  [[nodiscard]] krepis::Expected<std::unique_ptr<File>, Failure> open(const std::string& path);
  // The number of files with an open descriptor.
  [[nodiscard]] std::size_t count() const { return order_.size(); }

 private:
  [[nodiscard]] krepis::Expected<FileRoot::File, Failure> open_descriptor(const std::string& path);
  void keep(File& file, posix::FileDescriptor descriptor);
  void close(File& file);

  std::shared_ptr<const FileRoot> root_;
  std::list<File*> order_;  // least recently used first
};

}  // namespace knul::service
