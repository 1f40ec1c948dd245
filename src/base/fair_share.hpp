// Fair shares of a resource that all peers use, by dynamic thresholds (Choudhury and Hahne, 1998). A holder
// may hold at most a fixed multiple, its weight, of the free amount. So a part always stays free for later
// holders, and a single holder may hold nearly everything. Of n holders that want everything, each gets
// weight / (n * weight + 1) of the whole.
#pragma once

#include <algorithm>
#include <cstdint>

namespace knul::base::fair_share {

// A connection may hold at most 1 / parts_of() of the free amount. The divisor is the number of connections
// that fill the memory when each is at its own limit; at least 1 and at most 32. The larger that number, the
// less each may hold, so that connections that release nothing still leave memory for later ones.
[[nodiscard]] constexpr std::uint64_t parts_of(std::uint64_t limit, std::uint64_t limit_of_connection) {
  return std::clamp<std::uint64_t>(limit / std::max<std::uint64_t>(limit_of_connection, 1), 1, 32);
}

// The divisor for a connection without a limit of its own. It may hold half of the free amount, which is a
// third of the whole if it is alone.
constexpr std::uint64_t kHalfOfFree = 2;

// How much a connection that holds `held` may take and stay within its share.
[[nodiscard]] constexpr std::uint64_t room_of_connection(std::uint64_t free, std::uint64_t held,
                                                         std::uint64_t parts) {
  return free / parts > held ? (free - parts * held) / (parts + 1) : 0;
}

// True if a connection may take one more piece of any size. It exceeds its share by at most that piece.
[[nodiscard]] constexpr bool may_take_piece(std::uint64_t free, std::uint64_t held, std::uint64_t parts) {
  return held <= free / parts;
}

// A source address may hold seven times the free amount, which is 7/8 of the whole if it is alone, because
// many honest clients may share an address.
constexpr std::uint64_t kSourceWeight = 7;

// How much a source that holds `held` may take. Its connections take independently, so the source may exceed
// its share by the amount that one of them takes.
[[nodiscard]] constexpr std::uint64_t room_of_source(std::uint64_t free, std::uint64_t held) {
  const std::uint64_t most =
      free > ~std::uint64_t{0} / kSourceWeight ? ~std::uint64_t{0} : kSourceWeight * free;
  return most > held ? most - held : 0;
}

}  // namespace knul::base::fair_share
