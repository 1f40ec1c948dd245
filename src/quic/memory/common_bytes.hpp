// What two images of memory have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace knul::quic {

// Shorter sequences would also be common by chance.
inline constexpr std::size_t kShortestCommonBytes = 8;

// The bytes of `other` that stand in sequences of at least kShortestCommonBytes that are also, anywhere, in
// `one`; in their order. Keys of one connection are in no other one's memory, so none is in the result.
// Throws std::bad_alloc.
[[nodiscard]] std::vector<std::uint8_t> common_bytes(std::span<const std::uint8_t> one,
                                                     std::span<const std::uint8_t> other);

}  // namespace knul::quic
