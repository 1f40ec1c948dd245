#include "cli/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace knul::cli {
namespace {

constexpr mode_t kFileMode = 0644;

bool leads_upwards(const std::filesystem::path& path) {
  for (const std::filesystem::path& part : path) {
    if (part == "..") {
      return true;
    }
  }
  return false;
}

}  // namespace

FileSink::FileSink(int descriptor, std::string temporary, std::string final_name)
    : descriptor_(descriptor), temporary_(std::move(temporary)), final_(std::move(final_name)) {}

FileSink::FileSink(FileSink&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      temporary_(std::exchange(other.temporary_, {})),
      final_(std::move(other.final_)) {}

FileSink::~FileSink() {
  if (!temporary_.empty()) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
}

FileSink FileSink::standard_output() { return {STDOUT_FILENO, {}, {}}; }

Outcome<FileSink> FileSink::in_folder(const std::string& folder, std::string_view path) {
  const std::filesystem::path relative(path.substr(std::min(path.find_first_not_of('/'), path.size())));
  if (!relative.has_filename() || leads_upwards(relative)) {
    return usage_failure("\"" + std::string(path) + "\" does not name a file below " + folder);
  }
  const std::filesystem::path target = std::filesystem::path(folder) / relative;
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) {
    return run_failure("\"" + target.parent_path().string() + "\": " + error.message());
  }
  std::string temporary = target.string() + ".XXXXXX";
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0) {
    return run_failure("\"" + target.string() + "\": " + std::strerror(errno));
  }
  return FileSink(descriptor, std::move(temporary), target.string());
}

std::string FileSink::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      is_reader_gone_ = errno == EPIPE;
      return std::strerror(errno);
    }
    bytes = bytes.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return {};
}

std::string FileSink::complete() {
  if (temporary_.empty()) {
    return {};
  }
  const bool is_kept = ::fchmod(descriptor_, kFileMode) == 0 &&
                       ::close(std::exchange(descriptor_, -1)) == 0 &&
                       ::rename(temporary_.c_str(), final_.c_str()) == 0;
  if (!is_kept) {
    return std::strerror(errno);  // the destructor removes the temporary file
  }
  temporary_.clear();
  return {};
}

}  // namespace knul::cli
