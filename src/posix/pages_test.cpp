#include "posix/pages.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace knul::posix {
namespace {

constexpr std::size_t kBytes = 64 * base::PageSource::kPageBytes;

class ReservedPages {
 public:
  explicit ReservedPages(std::size_t bytes) : begin_(pages_.reserve(bytes)), bytes_(bytes) {}
  ~ReservedPages() { pages_.release(begin_, bytes_); }
  ReservedPages(const ReservedPages&) = delete;
  ReservedPages& operator=(const ReservedPages&) = delete;

  SystemPages& source() { return pages_; }
  std::span<std::uint8_t> bytes() { return {static_cast<std::uint8_t*>(begin_), bytes_}; }
  bool is_zero() {
    return std::ranges::all_of(bytes(), [](std::uint8_t byte) { return byte == 0; });
  }
  std::size_t resident_bytes() {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> states((bytes_ + page - 1) / page);
    EXPECT_EQ(::mincore(begin_, bytes_, states.data()), 0);
    return page * static_cast<std::size_t>(
                      std::ranges::count_if(states, [](auto state) { return (state & 1) != 0; }));
  }

 private:
  SystemPages pages_;
  void* begin_;
  std::size_t bytes_;
};

TEST(SystemPages, AreZeroAndWritable) {
  ReservedPages pages(kBytes);
  ASSERT_NE(pages.bytes().data(), nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages.bytes().data()) % base::PageSource::kPageBytes, 0U);
  EXPECT_TRUE(pages.is_zero());
  std::ranges::fill(pages.bytes(), std::uint8_t{0x5a});
  EXPECT_EQ(std::ranges::count(pages.bytes(), 0x5a), static_cast<std::ptrdiff_t>(kBytes));
}

TEST(SystemPages, TakeMemoryOnlyOnceTheyAreWritten) {
  ReservedPages pages(kBytes);
  ASSERT_NE(pages.bytes().data(), nullptr);
  EXPECT_EQ(pages.resident_bytes(), 0U);
  pages.bytes()[kBytes / 2] = 1;
  EXPECT_EQ(pages.resident_bytes(), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

TEST(SystemPages, FreeTheirMemoryWhenDiscardedAndAreZeroOnceRestored) {
  ReservedPages pages(kBytes);
  ASSERT_NE(pages.bytes().data(), nullptr);
  std::ranges::fill(pages.bytes(), std::uint8_t{0x5a});
  EXPECT_EQ(pages.resident_bytes(), kBytes);
  pages.source().discard(pages.bytes().data(), kBytes);
  EXPECT_EQ(pages.resident_bytes(), 0U);
  pages.source().restore(pages.bytes().data(), kBytes);
  EXPECT_EQ(pages.resident_bytes(), 0U);
  EXPECT_TRUE(pages.is_zero());
  std::ranges::fill(pages.bytes(), std::uint8_t{0x33});
  EXPECT_EQ(pages.resident_bytes(), kBytes);
}

TEST(SystemPages, KeepTheNeighboursOfWhatIsDiscarded) {
  ReservedPages pages(3 * kBytes);
  ASSERT_NE(pages.bytes().data(), nullptr);
  std::ranges::fill(pages.bytes(), std::uint8_t{0x5a});
  pages.source().discard(pages.bytes().data() + kBytes, kBytes);
  pages.source().restore(pages.bytes().data() + kBytes, kBytes);
  EXPECT_EQ(std::ranges::count(pages.bytes().first(kBytes), 0x5a), static_cast<std::ptrdiff_t>(kBytes));
  EXPECT_EQ(std::ranges::count(pages.bytes().subspan(kBytes, kBytes), 0),
            static_cast<std::ptrdiff_t>(kBytes));
  EXPECT_EQ(std::ranges::count(pages.bytes().last(kBytes), 0x5a), static_cast<std::ptrdiff_t>(kBytes));
}

TEST(SystemPages, AreNullWhenTheSystemHasNone) {
  SystemPages pages;
  EXPECT_EQ(pages.reserve(std::size_t{1} << 60), nullptr);
}

}  // namespace
}  // namespace knul::posix
