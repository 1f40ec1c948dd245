// Makes foreign text safe for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace knul::cli {

// `text` in printable ASCII: every other byte is \x and two hexadecimal digits, a backslash is doubled. At
// most `most` bytes, with "..." in place of the rest.
[[nodiscard]] std::string escaped(std::string_view text, std::size_t most);

// Pads ASCII `text` to `width` columns, or cuts it and ends it with ~.
enum class Align : bool { kLeft, kRight };
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width, Align align = Align::kLeft);
// The same with the ~ in the middle, so that the end of an address stays.
[[nodiscard]] std::string fitted_in_middle(std::string_view text, std::size_t width);

}  // namespace knul::cli
