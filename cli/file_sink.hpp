// Where the bytes of one received file go: standard output, or a file that appears under its name only
// when it is complete.
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
  // `path` of the request, below `folder`; folders between are made. Paths with ".." are refused.
  static Outcome<FileSink> in_folder(const std::string& folder, std::string_view path);

  FileSink(FileSink&& other) noexcept;
  FileSink& operator=(FileSink&&) = delete;
  // Removes what is not complete.
  ~FileSink();

  // Standard output is a pipe that nobody reads any more.
  [[nodiscard]] bool is_reader_gone() const { return is_reader_gone_; }

  // An error text; empty when it worked.
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
