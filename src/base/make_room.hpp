// absl's hash tables break where there is no memory to grow: std::bad_alloc leaves one with its new capacity
// and its old slots. So they are made larger from outside, before they would do it themselves.
#pragma once

#include <algorithm>
#include <cstddef>

namespace knul::base {

// To be called before an insertion. Throws std::bad_alloc, and then `table` is as it was.
template <class Table>
void make_room(Table& table) {
  // A larger table that is not fuller than this clears what erase left behind instead of growing
  // (rehash_and_grow_if_necessary in absl's raw_hash_set.h; the test fails where a version does otherwise).
  constexpr std::size_t kLeast = 31;
  const std::size_t capacity = table.capacity();
  if (capacity >= kLeast && table.size() * 32 <= capacity * 25) {
    return;
  }
  // If this throws there is no table to destroy.
  Table larger(std::max(kLeast, 2 * capacity), table.hash_function(), table.key_eq(), table.get_allocator());
  larger.merge(table);
  table.swap(larger);
}

}  // namespace knul::base
