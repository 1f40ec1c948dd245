#pragma once

#include <span>
#include <string_view>

namespace knul::abi {

// Copies as much as fits, ends it with a NUL, never cuts a character. Bytes that are not UTF-8 and control
// characters become '?'. `to` is not empty.
void copy_as_utf8(std::string_view text, std::span<char> to) noexcept;

}  // namespace knul::abi
