// Unused blocks of memory of one size, in a linked list inside the blocks. The last block put in is taken
// first, because it is in the processor's cache.
#pragma once

#include <new>
#include <utility>

namespace knul::base {

// Thread: one. The destructor frees the blocks.
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

  // Null: the list is empty.
  [[nodiscard]] void* take() noexcept {
    return first_ == nullptr ? nullptr : std::exchange(first_, first_->next);
  }
  // `block` is from operator new and at least as large as a pointer.
  void put(void* block) noexcept { first_ = new (block) Link{first_}; }

 private:
  struct Link {
    Link* next;
  };

  Link* first_ = nullptr;
};

}  // namespace knul::base
