// Texts of others for a terminal: no byte of them is a control character there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace knul::cli {

// `text` in printable ASCII: every other byte is \x and two hexadecimal digits, a backslash is doubled. At
// most `most` bytes, with "..." in place of the rest.
[[nodiscard]] std::string escaped(std::string_view text, std::size_t most);

// `text`, which is ASCII, in exactly `width` columns: padded, or cut with a ~ in place of the rest.
enum class Align : bool { kLeft, kRight };
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width, Align align = Align::kLeft);
// The same with the ~ in the middle, so that the end of an address stays.
[[nodiscard]] std::string fitted_in_middle(std::string_view text, std::size_t width);

}  // namespace knul::cli
