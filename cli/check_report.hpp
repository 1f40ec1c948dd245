// The output of `knul check`.
#pragma once

#include <krepis/inspect.hpp>

#include <span>
#include <string>

namespace knul::cli {

[[nodiscard]] bool has_failure(std::span<const krepis::Finding> findings);

// A row per finding, with its advice below, and a line with the counts. Ends with a line end.
[[nodiscard]] std::string check_text(std::span<const krepis::Finding> findings);
// One object: level (the worst), findings.
[[nodiscard]] std::string check_json(std::span<const krepis::Finding> findings);

}  // namespace knul::cli
