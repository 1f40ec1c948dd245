// Once warm, what a program reads and writes through a channel takes nothing from the global heap.
#include <cstring>

#include "channel/application.hpp"
#include "channel/channel.hpp"
#include "steady_pair.hpp"

namespace knul::test {
namespace {

// A program that speaks perf and sends each datagram back.
class Program {
 public:
  explicit Program(channel::Channel& channel) : channel_(channel) { channel.describe(region_); }

  void run() {
    released_.clear();
    std::uint32_t* const ring = reinterpret_cast<std::uint32_t*>(region_.base);
    const std::uint32_t tail = __atomic_load_n(ring, __ATOMIC_ACQUIRE);
    for (; head_ != tail; ++head_) {
      FfiEvent event;
      const std::size_t record = head_ & (region_.ring_records - 1);
      std::memcpy(&event, region_.base + channel::kRingHeaderBytes + record * sizeof event, sizeof event);
      answer(event);
    }
    __atomic_store_n(ring + channel::kHeadOffset / sizeof *ring, head_, __ATOMIC_RELEASE);
    EXPECT_FALSE(channel_.release(released_).is_refused());
  }

 private:
  static constexpr std::size_t kWriteBytes = 16'384;

  void answer(const FfiEvent& event) {
    const std::uint8_t* const bytes = region_.base + region_.arena_offset + event.offset;
    if (event.length > 0) {
      released_.push_back(event.offset);
    }
    if (event.type == KREPIS_EVENT_STREAM_DATA && (event.flags & KREPIS_FLAG_FIN) != 0) {
      std::uint64_t answer_bytes = 0;  // a request is one event, an upload's end is another than its header
      for (std::size_t i = 0; event.length == sizeof answer_bytes && i < event.length; ++i)
        answer_bytes = answer_bytes << 8 | bytes[i];
      write(event.stream, answer_bytes);
    } else if (event.type == KREPIS_EVENT_STREAM_WRITABLE) {
      write(event.stream, std::exchange(left_, 0));
    } else if (event.type == KREPIS_EVENT_DATAGRAM) {
      EXPECT_FALSE(channel_.send_datagram(event.connection, {bytes, event.length}, {}).is_refused());
    }
  }

  void write(std::uint32_t stream, std::uint64_t answer_bytes) {
    static constexpr std::array<std::uint8_t, kWriteBytes> kAnswer{};
    while (true) {
      const std::size_t chunk = std::min<std::uint64_t>(kAnswer.size(), answer_bytes);
      const bool is_last = chunk == answer_bytes;
      const auto taken = static_cast<std::size_t>(
          channel_.write(stream, std::span(kAnswer).first(chunk), is_last ? KREPIS_WRITE_FIN : 0).number);
      answer_bytes -= taken;
      if (taken < chunk) {
        left_ = answer_bytes;
        return;
      }
      if (is_last) {
        return;
      }
    }
  }

  channel::Channel& channel_;
  FfiChannelRegion region_{};
  std::uint32_t head_ = 0;
  std::uint64_t left_ = 0;  // of the one answer that does not fit
  std::vector<std::uint32_t> released_;
};

class SteadyChannel : public testing::Test {
 protected:
  void SetUp() override {
    if (!counts_allocations())
      GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
    application_->adopt(channel_);
    pair_.on_turn = [this] { program_.run(); };
    ASSERT_NO_FATAL_FAILURE(pair_.connect());
  }

  std::shared_ptr<channel::WorkerLink> link_ = std::make_shared<channel::WorkerLink>();
  std::shared_ptr<channel::Channel> channel_ =
      std::make_shared<channel::Channel>(*channel::Core::create({}, {link_}), std::weak_ptr<channel::Hub>());
  std::unique_ptr<channel::Application> owned_application_ =
      std::make_unique<channel::Application>(std::make_shared<channel::Hub>(), link_);
  channel::Application* application_ = owned_application_.get();
  // Of 50 datagrams most have to wait for room in the connection's queue.
  SteadyPair pair_{std::move(owned_application_), "knul", 16};
  Program program_{*channel_};
};

TEST_F(SteadyChannel, DownloadsTakeNothingFromTheHeapPerPacket) {
  pair_.download(32 << 20);
  EXPECT_LT(pair_.allocations_of([this] { pair_.download(32 << 20); }), kFewAllocations)
      << "for about 23,000 packets";
}

TEST_F(SteadyChannel, UploadsTakeNothingFromTheHeapPerPacket) {
  pair_.upload(32 << 20);
  EXPECT_LT(pair_.allocations_of([this] { pair_.upload(32 << 20); }), kFewAllocations)
      << "for about 23,000 packets";
}

TEST_F(SteadyChannel, RequestsTakeNothingFromTheHeap) {
  for (const std::uint64_t answer_bytes : {64U, 2'048U, 4'096U, 50'000U}) {
    pair_.request(2'000, answer_bytes);
    EXPECT_LT(pair_.allocations_of([&] { pair_.request(5'000, answer_bytes); }), kFewAllocations)
        << "for 5,000 requests of " << answer_bytes << " bytes";
  }
}

TEST_F(SteadyChannel, DatagramsTakeNothingFromTheHeap) {
  pair_.exchange_datagrams(1'000);
  EXPECT_LT(pair_.allocations_of([this] { pair_.exchange_datagrams(5'000); }), kFewAllocations)
      << "for 5,000 datagrams each way";
}

// Whatever sizes were held in large numbers before.
TEST(SteadyWriteBuffers, TakeNothingFromTheHeapAgain) {
  if (!counts_allocations())
    GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
  constexpr std::size_t kLargest = channel::WriteBuffers::kLargestBytes;
  channel::WriteBuffers buffers;
  for (std::size_t held_bytes = 1; held_bytes <= kLargest; held_bytes *= 2) {
    std::vector<std::shared_ptr<std::uint8_t[]>> held(5'000);
    std::ranges::generate(held, [&] { return buffers.make(held_bytes); });
    held.clear();
    for (std::size_t bytes = 1; bytes <= kLargest; bytes *= 2) {
      std::ignore = buffers.make(bytes);
      const std::uint64_t before = allocation_count();
      for (int i = 0; i < 100; ++i)
        std::ignore = buffers.make(bytes);
      EXPECT_EQ(allocation_count() - before, 0U) << bytes << " after " << held_bytes;
    }
  }
}

}  // namespace
}  // namespace knul::test
