// The file of the setting key_log_path.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/key_log.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "posix/file_descriptor.hpp"

namespace knul::server {

// Appends each secret with one write, so that lines of several processes do not mix.
class KeyLogFile final : public base::KeyLog {
 public:
  // Null for an empty path. Creates the file with mode 0600, or appends to a regular file that only its owner
  // can read or write; does not follow a symbolic link. Writes a warning to the log. Error: kInvalidArgument
  // or kQuota; the text begins with "key_log_path".
  static base::Result<std::unique_ptr<KeyLogFile>> open(const std::string& path, base::LogSink& log);
  // Checks whether open() would succeed, and creates no file. Errors: as open().
  static base::Status check(const std::string& path);

  void write(std::string_view label, std::span<const std::uint8_t> client_random,
             std::span<const std::uint8_t> secret) noexcept override;

 private:
  KeyLogFile(posix::FileDescriptor file, std::string path, base::LogSink& log)
      : file_(std::move(file)), path_(std::move(path)), log_(log) {}

  posix::FileDescriptor file_;
  std::string path_;
  base::LogSink& log_;
};

}  // namespace knul::server
