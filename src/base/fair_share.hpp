// Fair shares of what all peers use together: dynamic thresholds (Choudhury and Hahne, 1998). A holder may
// have at most a fixed multiple of what is free at present. So a part is always free for holders that come
// later, whatever the others do, and a holder that is alone may have nearly all. Of n holders that want
// everything, each gets weight / (n * weight + 1) of the whole.
#pragma once

#include <algorithm>
#include <cstdint>

namespace knul::base::fair_share {

// A connection may hold at most 1 / parts_of() of what is free. The divisor is the number of connections at
// their own limit that fill the memory, at least 1 and at most 32. The more it takes, the less each may hold,
// so that connections that release nothing still leave memory for later ones.
[[nodiscard]] constexpr std::uint64_t parts_of(std::uint64_t limit, std::uint64_t limit_of_connection) {
  return std::clamp<std::uint64_t>(limit / std::max<std::uint64_t>(limit_of_connection, 1), 1, 32);
}

// Where a connection has no limit of its own: it may hold half of what is free, a third of the whole if it is
// alone.
constexpr std::uint64_t kHalfOfFree = 2;

// What a connection that holds `held` may take at once, so that it is within its share afterwards.
[[nodiscard]] constexpr std::uint64_t room_of_connection(std::uint64_t free, std::uint64_t held,
                                                         std::uint64_t parts) {
  return free / parts > held ? (free - parts * held) / (parts + 1) : 0;
}

// Whether it may take one more piece, of whatever size. The share is exceeded by that piece at most.
[[nodiscard]] constexpr bool may_take_piece(std::uint64_t free, std::uint64_t held, std::uint64_t parts) {
  return held <= free / parts;
}

// A source address may hold seven times what is free: 7/8 of the whole if it is alone, because many honest
// clients may share an address.
constexpr std::uint64_t kSourceWeight = 7;

// The same for a source. Several of its connections may take at once, so this may be exceeded by what one
// connection takes.
[[nodiscard]] constexpr std::uint64_t room_of_source(std::uint64_t free, std::uint64_t held) {
  const std::uint64_t most =
      free > ~std::uint64_t{0} / kSourceWeight ? ~std::uint64_t{0} : kSourceWeight * free;
  return most > held ? most - held : 0;
}

}  // namespace knul::base::fair_share
