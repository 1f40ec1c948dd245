// The destination of one received file: standard output, or a file that gets its name when it is complete.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cli/outcome.hpp"

namespace knul::cli {

class FileSink {
 public:
  static FileSink standard_output();
  // A file below `folder`, at the `path` of the request. Creates missing folders. Refuses paths with "..".
  static Outcome<FileSink> in_folder(const std::string& folder, std::string_view path);

  FileSink(FileSink&& other) noexcept;
  FileSink& operator=(FileSink&&) = delete;
  // Removes an incomplete file.
  ~FileSink();

  // True: standard output is a pipe whose reader has closed it.
  [[nodiscard]] bool is_reader_gone() const { return is_reader_gone_; }

  // Both return an error text; empty: success.
  [[nodiscard]] std::string write(std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::string complete();

 private:
  FileSink(int descriptor, std::string temporary, std::string final_name);

  bool is_reader_gone_ = false;
  int descriptor_;
  std::string temporary_;  // empty: standard output
  std::string final_;
};

}  // namespace knul::cli
