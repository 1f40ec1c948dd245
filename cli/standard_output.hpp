// Prints the result of a command.
#pragma once

#include <string_view>

#include "cli/outcome.hpp"

namespace knul::cli {

// Writes `text` to standard output and flushes it. Blocks while a pipe or terminal accepts nothing. Error:
// kFailure, such as a full disk.
Outcome<void> print(std::string_view text);

}  // namespace knul::cli
