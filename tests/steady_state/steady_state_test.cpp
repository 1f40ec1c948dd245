// Once warm, packets, requests and datagrams take nothing from the global heap.
#include "service/echo_service.hpp"
#include "steady_pair.hpp"

namespace knul::test {
namespace {

class SteadyState : public testing::Test {
 protected:
  void SetUp() override {
    if (!counts_allocations())
      GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
  }
};

TEST_F(SteadyState, DownloadsTakeNothingFromTheHeapPerPacket) {
  SteadyPair pair(std::make_unique<service::PerfService>(), "perf");
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.download(32 << 20);
  EXPECT_LT(pair.allocations_of([&] { pair.download(32 << 20); }), kFewAllocations)
      << "for about 23,000 packets";
}

TEST_F(SteadyState, UploadsTakeNothingFromTheHeapPerPacket) {
  SteadyPair pair(std::make_unique<service::PerfService>(), "perf");
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.upload(32 << 20);
  EXPECT_LT(pair.allocations_of([&] { pair.upload(32 << 20); }), kFewAllocations)
      << "for about 23,000 packets";
}

TEST_F(SteadyState, RequestsTakeNothingFromTheHeap) {
  SteadyPair pair(std::make_unique<service::PerfService>(), "perf");
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  for (const std::uint64_t answer_bytes : {64U, 4'096U, 100'000U}) {
    pair.request(2'000, answer_bytes);
    EXPECT_LT(pair.allocations_of([&] { pair.request(5'000, answer_bytes); }), kFewAllocations)
        << "for 5,000 requests of " << answer_bytes << " bytes";
  }
}

TEST_F(SteadyState, DatagramsTakeNothingFromTheHeap) {
  SteadyPair pair(std::make_unique<service::EchoService>(), "echo");
  ASSERT_NO_FATAL_FAILURE(pair.connect());
  pair.exchange_datagrams(1'000);
  EXPECT_LT(pair.allocations_of([&] { pair.exchange_datagrams(5'000); }), kFewAllocations)
      << "for 5,000 datagrams each way";
}

}  // namespace
}  // namespace knul::test
