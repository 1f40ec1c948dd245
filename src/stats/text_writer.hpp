// Appends numbers and text to a string. Uses std::to_chars, so that the host's locale changes no digit. The
// string grows in steps and is written through a cursor: appending piece by piece took half the time of a
// JSON text.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace knul::stats {

// Lifetime: the string outlives the writer, and is complete only after the writer's destruction.
class TextWriter {
 public:
  explicit TextWriter(std::string& out) : out_(out), used_(out.size()) {}
  ~TextWriter() { out_.resize(used_); }
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  TextWriter& operator<<(std::string_view text) {
    if (!text.empty())
      std::memcpy(room(text.size()), text.data(), text.size());
    used_ += text.size();
    return *this;
  }
  // The fast path for 0, the value of most statistics.
  TextWriter& operator<<(std::uint64_t value) {
    if (value > 9)
      return write_number(value);
    *room(1) = static_cast<char>('0' + value);
    ++used_;
    return *this;
  }
  // Shortest text that reads back as the same value. `value` is finite.
  TextWriter& operator<<(double value) { return write_number(value); }
  // Milliseconds with six decimals, which is whole nanoseconds: readers always see a fraction.
  TextWriter& write_ms(double value_ms);

 private:
  static constexpr std::size_t kLongestNumber = 32;
  static constexpr std::size_t kStep = 4096;

  template <class Number>
  TextWriter& write_number(Number value) {
    char* const begin = room(kLongestNumber);
    used_ += static_cast<std::size_t>(std::to_chars(begin, begin + kLongestNumber, value).ptr - begin);
    return *this;
  }
  char* room(std::size_t bytes) {
    if (out_.size() - used_ < bytes) [[unlikely]]
      out_.resize(used_ + bytes + kStep);
    return out_.data() + used_;
  }

  std::string& out_;
  std::size_t used_;
};

}  // namespace knul::stats
