// A channel whose program is hostile: it overwrites the shared memory and calls everything with anything,
// while clients keep streams, datagrams and resets coming. The server and its other channel must not notice.
#include <krepis/krepis.h>
#include <poll.h>

#include <array>
#include <krepis/krepis.hpp>
#include <string>

#include "abi/peer.h"
#include "channel_region_host.hpp"
#include "input.hpp"

namespace {

using namespace knul;
using fuzz::Host;

constexpr int kMaxSteps = 48;
constexpr std::uint32_t kRingRecords = 64, kTailAt = 0, kHeadAt = 64, kRecordsAt = 256;

// The region as another program sees it: ThreadSanitizer shall not take these for accesses of this one, which
// no program can order with those of the library.
#define FUZZ_FOREIGN __attribute__((noinline, no_sanitize("thread")))
FUZZ_FOREIGN void poke(std::uint8_t* at, std::uint32_t value) {
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(at), value, __ATOMIC_RELAXED);
}
FUZZ_FOREIGN std::uint32_t peek(const std::uint8_t* at) {
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_RELAXED);
}

// The numbers of the contract: a result, or a known error negated.
std::int32_t answer(std::int32_t number) {
  FUZZ_CHECK(number >= 0 ||
             std::string(krepis_error_name(static_cast<std::uint32_t>(-number))) != "Reserved");
  return number;
}
void code(std::uint32_t error) { answer(-static_cast<std::int32_t>(error)); }

class Vandal {
 public:
  Vandal(Host& host, fuzz::Input& input) : host_(host), input_(input) { open(); }
  ~Vandal() {
    end();
    host_.load().close_all();
  }
  Vandal(const Vandal&) = delete;
  Vandal& operator=(const Vandal&) = delete;

  void step() {
    switch (input_.byte() % 11) {
      case 0:
        return overwrite(static_cast<std::size_t>(input_.number(4)));
      case 1:
        return overwrite_header();
      case 2:
        return flood_region();
      case 3:
        return consume(input_.byte());
      case 4:
        return release_anything();
      case 5:
        return sleep_and_flush();
      case 6:
        return call_of_stream();
      case 7:
        return call_of_connection();
      case 8:
        return host_.load().push(input_.byte(), input_.number(2));
      case 9:
        return close_or_open();
      default:
        return expect_the_end();
    }
  }

 private:
  void open() {
    const FfiChannelConfig config{1 << 20, kRingRecords, 4'096, KREPIS_WAKE_NONE, 0, {}};
    FUZZ_CHECK(krepis_channel_open(host_.server(), &config, &region_) == KREPIS_SUCCESS);
    heads_ = {};
    // Channels take turns, so that one of two connections comes here.
    host_.load().connect();
    host_.load().connect();
    FUZZ_CHECK(krepis_channel_wait(region_.channel, 5'000) == 1);
  }
  void end() {
    const bool was_closed = std::exchange(is_closed_, false);
    FUZZ_CHECK(krepis_channel_close(region_.channel) ==
               (was_closed ? KREPIS_INVALID_POINTER : KREPIS_SUCCESS));
    FUZZ_CHECK(krepis_channel_unmap(region_.channel) == KREPIS_SUCCESS);
    FUZZ_CHECK(krepis_channel_unmap(region_.channel) == KREPIS_INVALID_POINTER);
    stale_ = region_.channel;
  }

  [[nodiscard]] std::uint8_t* ring(std::size_t index) const {
    return region_.base + region_.ring_offset + index % region_.rings * region_.ring_stride;
  }
  // Mostly the right one, also one that ended; never that of the honest channel.
  std::uint32_t channel() {
    const std::uint8_t which = input_.byte();
    const auto any = static_cast<std::uint32_t>(which < 0xf0 ? region_.channel : input_.number(4));
    return which >= 0xe0 && which < 0xf0 ? stale_ : any == host_.honest_channel() ? 0 : any;
  }
  // One that a record brought, or any number.
  std::uint32_t one_of(const std::array<std::uint32_t, 8>& known) {
    const std::uint8_t which = input_.byte();
    return which < 0xe0 ? known[which % known.size()] : static_cast<std::uint32_t>(input_.number(4));
  }

  void overwrite(std::size_t offset) {
    const auto bytes = input_.chunk();
    for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      std::uint32_t value = 0;
      std::memcpy(&value, bytes.data() + i, sizeof value);
      poke(region_.base + (offset + i) % region_.bytes / 4 * 4, value);
    }
  }
  // A head or a tail near what was right, or any word of the header to anything.
  void overwrite_header() {
    const std::uint8_t bits = input_.byte();
    std::uint8_t* const ring = this->ring(bits & 1);
    const std::uint32_t distance = static_cast<std::uint32_t>(input_.byte()) - 128;
    switch (bits / 2 % 4) {
      case 0:
        return poke(ring + kHeadAt, peek(ring + kTailAt) + distance);
      case 1:
        return poke(ring + kTailAt, peek(ring + kTailAt) + distance);
      case 2:
        return poke(ring + kHeadAt, peek(ring + kHeadAt) + distance);
      default:
        return poke(ring + (distance % 64) * 4, static_cast<std::uint32_t>(input_.number(4)));
    }
  }
  void flood_region() {
    const std::uint32_t value = input_.byte() * 0x01010101U;
    const bool spares_heads = input_.byte() % 2 == 0;
    const std::size_t first = spares_heads ? kRecordsAt : 0;
    for (std::size_t i = 0; i < region_.rings; ++i) {
      for (std::size_t at = first; at < region_.ring_stride; at += 4) {
        poke(ring(i) + at, value);
      }
    }
    for (std::size_t at = region_.arena_offset; at < region_.bytes; at += 4) {
      poke(region_.base + at, value);
    }
  }

  // As a program does that believes what the region says.
  void consume(std::uint8_t most) {
    for (std::size_t i = 0; i < region_.rings; ++i) {
      for (int n = most % 64; n > 0 && peek(ring(i) + kTailAt) != heads_[i]; --n) {
        const std::uint8_t* const record = ring(i) + kRecordsAt + heads_[i] % kRingRecords * sizeof(FfiEvent);
        FfiEvent event{};
        for (std::size_t at = 0; at < sizeof event; at += 4) {
          const std::uint32_t word = peek(record + at);
          std::memcpy(reinterpret_cast<std::uint8_t*>(&event) + at, &word, sizeof word);
        }
        take(event);
        poke(ring(i) + kHeadAt, ++heads_[i]);
      }
    }
  }
  void take(const FfiEvent& event) {
    connections_[seen_ % connections_.size()] = event.connection;
    streams_[seen_ % streams_.size()] = event.stream;
    offsets_[seen_++ % offsets_.size()] = event.offset;
    if (event.type == KREPIS_EVENT_STREAM_DATA) {
      const std::array<std::uint8_t, 1'024> bytes{};
      answer(krepis_stream_write(region_.channel, event.stream, bytes.data(),
                                 std::min<std::uint32_t>(event.length, bytes.size()), event.flags));
    }
    if (event.length > 0) {
      code(krepis_channel_release(region_.channel, &event.offset, 1));
    }
  }
  // What was released before, what lies in the arena, and what does not.
  void release_anything() {
    std::array<std::uint32_t, 8> offsets{};
    const std::uint8_t bits = input_.byte();
    for (std::uint32_t& offset : offsets) {
      offset = one_of(offsets_);
      offset = (bits & 8) != 0 ? offset % static_cast<std::uint32_t>(region_.arena_bytes) : offset;
      offset = (bits & 16) != 0 ? offset / 64 * 64 : offset;
    }
    code(krepis_channel_release(channel(), offsets.data(), bits % 8 + 1));
    // In one call, so that no worker can give it out again in between.
    const std::array<std::uint32_t, 2> twice{offsets[0], offsets[0]};
    FUZZ_CHECK(krepis_channel_release(region_.channel, twice.data(), 2) == KREPIS_INVALID_REQUEST);
  }
  void sleep_and_flush() {
    FfiResponse out{};
    answer(krepis_channel_arm(channel()));
    answer(krepis_channel_wait(channel(), input_.byte() % 4));
    code(krepis_channel_flush(channel()));
    code(krepis_channel_info_into(channel(), &out));
  }
  void call_of_stream();
  void call_of_connection();
  void close_or_open();
  void expect_the_end();

  Host& host_;
  fuzz::Input& input_;
  FfiChannelRegion region_{};
  bool is_closed_ = false;
  std::uint32_t stale_ = 0;
  std::array<std::uint32_t, 2> heads_{};
  std::array<std::uint32_t, 8> connections_{}, streams_{}, offsets_{};
  std::size_t seen_ = 0;
};

void Vandal::call_of_stream() {
  static constexpr std::array<std::uint8_t, 4'096> kBytes{};
  FfiResponse out{};
  const std::uint32_t stream = one_of(streams_);
  const auto number = static_cast<std::uint32_t>(input_.number(4));
  switch (input_.byte() % 5) {
    case 0:
      answer(krepis_stream_write(channel(), stream, kBytes.data(), number % 4'096, input_.byte() % 6));
      return;
    case 1:
      return code(krepis_stream_reset(channel(), stream, std::uint64_t{number} << (number % 32)));
    case 2:
      return code(krepis_stream_stop_sending(channel(), stream, std::uint64_t{number} << (number % 32)));
    case 3:
      return code(krepis_stream_priority(channel(), stream, number % 9, number / 16 % 3));
    default:
      return code(krepis_stream_info_into(channel(), stream, &out));
  }
}

void Vandal::call_of_connection() {
  static constexpr std::array<std::uint8_t, 2'048> kBytes{};
  FfiResponse out{};
  const std::uint32_t connection = one_of(connections_);
  const auto number = static_cast<std::uint32_t>(input_.number(4));
  switch (input_.byte() % 4) {
    case 0:
      answer(krepis_stream_open(channel(), connection, number % 3));
      return;
    case 1:
      answer(krepis_datagram_send(channel(), connection, kBytes.data(), number % 2'048, number >> 16 & 0x103,
                                  number >> 24, number));
      return;
    case 2:
      return code(krepis_connection_close(channel(), connection, number, "gone", number % 5));
    default:
      return code(krepis_connection_info_into(channel(), connection, &out));
  }
}

void Vandal::close_or_open() {
  if (!is_closed_ && input_.byte() % 2 == 0) {
    FUZZ_CHECK(krepis_channel_close(region_.channel) == KREPIS_SUCCESS);
    is_closed_ = true;
  } else {
    end();
    open();
  }
}

// A head that cannot be closes the channel as soon as its worker has anything to do.
void Vandal::expect_the_end() {
  const std::uint32_t distance = 1 + static_cast<std::uint32_t>(input_.number(3));
  const auto is_open = [&] {
    const std::int32_t refusal = krepis_stream_open(region_.channel, 0, 0);
    return refusal == -static_cast<std::int32_t>(KREPIS_INVALID_POINTER);
  };
  for (int i = 0; !is_closed_ && is_open(); ++i) {
    FUZZ_CHECK(i < 5'000);
    for (std::size_t index = 0; index < region_.rings; ++index) {
      poke(ring(index) + kHeadAt, 0x40000000U + distance);
    }
    host_.load().push(1, 100);
    if (i % 100 == 20) {
      host_.load().connect();
    }
    ::poll(nullptr, 0, 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Host host;
  fuzz::Input input(data, size);
  {
    Vandal vandal(host, input);
    for (int step = 0; step < kMaxSteps && !input.is_empty(); ++step) {
      vandal.step();
    }
  }
  host.expect_echo();
  return 0;
}
