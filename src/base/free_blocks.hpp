// Unused blocks of memory, of one size, in a list that stands in the blocks themselves. The last one put in
// is the first one taken, because it is in the processor's cache.
#pragma once

#include <new>
#include <utility>

namespace knul::base {

// Thread: one. Frees what is in it when it ends.
class FreeBlocks {
 public:
  FreeBlocks() = default;
  ~FreeBlocks() {
    while (void* const block = take()) {
      ::operator delete(block);
    }
  }
  FreeBlocks(const FreeBlocks&) = delete;
  FreeBlocks& operator=(const FreeBlocks&) = delete;

  // Null when there is none.
  [[nodiscard]] void* take() noexcept {
    return first_ == nullptr ? nullptr : std::exchange(first_, first_->next);
  }
  // A block of operator new, at least as large as a pointer.
  void put(void* block) noexcept { first_ = new (block) Link{first_}; }

 private:
  struct Link {
    Link* next;
  };

  Link* first_ = nullptr;
};

}  // namespace knul::base
