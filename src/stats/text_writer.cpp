#include "stats/text_writer.hpp"

#include <array>
#include <cmath>

namespace knul::stats {

TextWriter& TextWriter::write_ms(double value_ms) {
  constexpr std::uint64_t kPerMs = 1'000'000;
  const auto nanoseconds = static_cast<std::uint64_t>(std::llround(value_ms * static_cast<double>(kPerMs)));
  std::array<char, 7> fraction{'.'};
  std::uint64_t rest = nanoseconds % kPerMs;
  for (std::size_t i = fraction.size() - 1; i > 0; --i, rest /= 10) {
    fraction[i] = static_cast<char>('0' + rest % 10);
  }
  return *this << nanoseconds / kPerMs << std::string_view(fraction.data(), fraction.size());
}

}  // namespace knul::stats
