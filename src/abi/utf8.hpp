// Makes valid UTF-8 of any text.
#pragma once

#include <span>
#include <string_view>

namespace knul::abi {

// Copies the whole characters that fit, and a NUL. Bytes that are not UTF-8 and control characters become
// '?'. Requires that `to` is not empty.
void copy_as_utf8(std::string_view text, std::span<char> to) noexcept;

}  // namespace knul::abi
