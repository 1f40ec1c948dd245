#include "service/open_files.hpp"

#include <unistd.h>

#include <utility>

namespace knul::service {

krepis::Expected<std::unique_ptr<OpenFiles::File>, OpenFiles::Failure> OpenFiles::open(
    const std::string& path) {
  auto opened = open_descriptor(path);
  if (!opened) {
    return opened.error();
  }
  std::unique_ptr<File> file(new File(*this, path));
  file->identity_ = opened->identity;
  file->size_ = opened->size;
  keep(*file, std::move(opened->descriptor));
  return file;
}

krepis::Expected<FileRoot::File, OpenFiles::Failure> OpenFiles::open_descriptor(const std::string& path) {
  if (order_.size() >= kMost) {
    close(*order_.front());
  }
  for (;;) {
    auto opened = root_->open_file(path);
    if (opened || opened.error() != Failure::kTooManyFiles || order_.empty()) {
      return opened;
    }
    close(*order_.front());
  }
}

void OpenFiles::keep(File& file, posix::FileDescriptor descriptor) {
  file.place_ = order_.insert(order_.end(), &file);
  file.descriptor_ = std::move(descriptor);
}

void OpenFiles::close(File& file) {
  if (file.descriptor_.is_open()) {
    file.descriptor_.reset();
    order_.erase(file.place_);
  }
}

bool OpenFiles::File::read(std::uint8_t* out, std::size_t count, std::uint64_t offset) {
  if (descriptor_.is_open()) {
    owner_.order_.splice(owner_.order_.end(), owner_.order_, place_);
  } else {
    auto opened = owner_.open_descriptor(path_);
    if (!opened || opened->identity != identity_ || opened->size != size_) {
      return false;
    }
    owner_.keep(*this, std::move(opened->descriptor));
  }
  const ssize_t got = ::pread(descriptor_.value(), out, count, static_cast<off_t>(offset));
  return got >= 0 && static_cast<std::size_t>(got) == count;
}

}  // namespace knul::service
