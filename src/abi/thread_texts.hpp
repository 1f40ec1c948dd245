// What a thread keeps between its calls: its last result and the text of its last error.
#pragma once

#include <krepis/krepis.h>

#include <string>
#include <string_view>

namespace knul::abi {

// The thread's result text, emptied. Lifetime: the next call, or the thread's end. Throws std::bad_alloc.
std::string& new_result_text();
// Points into `text`. Lifetime: as the text's.
[[nodiscard]] FfiBuffer buffer_of(const std::string& text) noexcept;

// Keeps the text, cut to what fits and made valid UTF-8. Without memory for it, last_error_text says so.
void set_last_error(std::string_view text) noexcept;
[[nodiscard]] const char* last_error_text() noexcept;

}  // namespace knul::abi
