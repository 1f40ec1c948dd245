// The texts that each thread keeps between calls: its last result and its last error.
#pragma once

#include <krepis/krepis.h>

#include <string>
#include <string_view>

namespace knul::abi {

// Empties and returns the thread's result text. Lifetime: until the next call or the thread's end. Throws
// std::bad_alloc.
std::string& new_result_text();
// Points into `text`. Lifetime: that of `text`.
[[nodiscard]] FfiBuffer buffer_of(const std::string& text) noexcept;

// Stores the text, shortened to the available size and converted to valid UTF-8. When memory is short,
// last_error_text() reports that instead.
void set_last_error(std::string_view text) noexcept;
[[nodiscard]] const char* last_error_text() noexcept;

}  // namespace knul::abi
