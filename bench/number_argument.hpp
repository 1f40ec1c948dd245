// The numbers among the arguments of the programs of this folder.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace knul::bench {

// Ends the program with exit code 2 if `text` is not a number from `least` to `most`. `name`: of the
// argument.
template <class Number>
Number number_argument(const char* name, std::string_view text, Number least = 0,
                       Number most = std::numeric_limits<Number>::max()) {
  Number number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || number < least || number > most) {
    std::fprintf(stderr, "%s: %s is \"%.*s\", expected a number from %llu to %llu\n",
                 program_invocation_short_name, name, static_cast<int>(text.size()), text.data(),
                 static_cast<unsigned long long>(least), static_cast<unsigned long long>(most));
    std::exit(2);
  }
  return number;
}

}  // namespace knul::bench
