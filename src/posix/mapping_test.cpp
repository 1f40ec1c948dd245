#include "posix/mapping.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace knul::posix {
namespace {

constexpr std::size_t kBytes = 1 << 20;

bool is_mapped(void* address) { return ::msync(address, 1, MS_ASYNC) == 0 || errno != ENOMEM; }

TEST(Mapping, IsZeroAndWritable) {
  const Mapping mapping = Mapping::create(kBytes).value();
  const std::span bytes(mapping.data(), mapping.size());
  EXPECT_EQ(bytes.size(), kBytes);
  EXPECT_EQ(std::ranges::count(bytes, 0), static_cast<std::ptrdiff_t>(kBytes));
  std::ranges::fill(bytes, std::uint8_t{0x5a});
  EXPECT_EQ(bytes.back(), 0x5a);
}

TEST(Mapping, UnmapsItsMemoryAtItsEnd) {
  std::uint8_t* data = nullptr;
  {
    Mapping first = Mapping::create(kBytes).value();
    const Mapping second = std::move(first);
    data = second.data();
    EXPECT_TRUE(is_mapped(data));
  }
  EXPECT_FALSE(is_mapped(data));
}

TEST(Mapping, LeavesReleasedMemoryToTheCaller) {
  std::uint8_t* const data = Mapping::create(kBytes).value().release();
  EXPECT_TRUE(is_mapped(data));
  EXPECT_EQ(::munmap(data, kBytes), 0);
}

TEST(Mapping, IsNothingWhenTheKernelRefuses) { EXPECT_FALSE(Mapping::create(std::size_t{1} << 60)); }

}  // namespace
}  // namespace knul::posix
