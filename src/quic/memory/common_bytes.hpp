// Finds the bytes that two images of memory have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace knul::quic {

// Shorter sequences are also common by chance.
inline constexpr std::size_t kShortestCommonBytes = 8;

// Returns, in order, the bytes of `other` in sequences of at least kShortestCommonBytes that also occur
// anywhere in `one`. The result has no keys, because the keys of one connection are not in another's memory.
// Throws std::bad_alloc.
[[nodiscard]] std::vector<std::uint8_t> common_bytes(std::span<const std::uint8_t> one,
                                                     std::span<const std::uint8_t> other);

}  // namespace knul::quic
