// absl's hash tables break when they have no memory to grow: std::bad_alloc leaves a table with its new
// capacity and its old slots. So make_room() grows a table before the table would grow itself.
#pragma once

#include <algorithm>
#include <cstddef>

namespace knul::base {

// Call it before an insertion. Throws std::bad_alloc and then has changed nothing.
template <class Table>
void make_room(Table& table) {
  // A larger table with at most this load removes the marks of erased entries instead of growing
  // (rehash_and_grow_if_necessary in absl's raw_hash_set.h). The test fails with a version that differs.
  constexpr std::size_t kLeast = 31;
  const std::size_t capacity = table.capacity();
  if (capacity >= kLeast && table.size() * 32 <= capacity * 25) {
    return;
  }
  // If this throws, no second table exists.
  Table larger(std::max(kLeast, 2 * capacity), table.hash_function(), table.key_eq(), table.get_allocator());
  larger.merge(table);
  table.swap(larger);
}

}  // namespace knul::base
