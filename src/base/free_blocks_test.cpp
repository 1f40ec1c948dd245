#include "base/free_blocks.hpp"

#include <gtest/gtest.h>

namespace knul::base {
namespace {

// A sanitizer finds the leak of blocks that are left at the end.
TEST(FreeBlocks, GivesTheLastOneFirst) {
  FreeBlocks blocks;
  EXPECT_EQ(blocks.take(), nullptr);
  void* const first = ::operator new(64);
  void* const second = ::operator new(64);
  blocks.put(first);
  blocks.put(second);
  EXPECT_EQ(blocks.take(), second);
  blocks.put(second);
  EXPECT_EQ(blocks.take(), second);
  EXPECT_EQ(blocks.take(), first);
  EXPECT_EQ(blocks.take(), nullptr);
  blocks.put(first);
  blocks.put(second);
}

}  // namespace
}  // namespace knul::base
