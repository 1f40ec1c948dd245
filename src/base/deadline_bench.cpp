// Measures the cost of a timer on the packet path, with 10 to 100,000 armed timers: the heap of
// deadline_heap.hpp, and the earlier heap, which moves every item to its place at once.
#include <benchmark/benchmark.h>

#include <random>
#include <utility>
#include <vector>

#include "base/deadline_heap.hpp"

namespace {

using namespace knul::base;
using namespace std::chrono_literals;

struct EagerHook {
  Instant deadline = kNever;
  std::size_t index = 0;
  bool is_armed = false;
};

template <class T>
class EagerHeap {
 public:
  [[nodiscard]] Instant soonest() const { return items_.empty() ? kNever : items_.front()->deadline; }

  void arm(T& item, Instant deadline) {
    item.deadline = deadline;
    if (!std::exchange(item.is_armed, true)) {
      items_.push_back(&item);
      item.index = items_.size() - 1;
    }
    sift_down(sift_up(item.index));
  }

  T* take_due(Instant now) {
    if (items_.empty() || items_.front()->deadline > now) {
      return nullptr;
    }
    T* due = items_.front();
    due->is_armed = false;
    T* last = items_.back();
    items_.pop_back();
    if (!items_.empty()) {
      put(0, last);
      sift_down(0);
    }
    return due;
  }

 private:
  void put(std::size_t index, T* item) {
    items_[index] = item;
    item->index = index;
  }

  std::size_t sift_up(std::size_t index) {
    T* item = items_[index];
    for (; index > 0 && items_[(index - 1) / 4]->deadline > item->deadline; index = (index - 1) / 4)
      put(index, items_[(index - 1) / 4]);
    put(index, item);
    return index;
  }

  void sift_down(std::size_t index) {
    T* item = items_[index];
    for (std::size_t first = index * 4 + 1; first < items_.size(); first = index * 4 + 1) {
      std::size_t smallest = first;
      for (std::size_t child = first + 1; child < items_.size() && child < first + 4; ++child) {
        smallest = items_[child]->deadline < items_[smallest]->deadline ? child : smallest;
      }
      if (items_[smallest]->deadline >= item->deadline) {
        break;
      }
      put(index, items_[smallest]);
      index = smallest;
    }
    put(index, item);
  }

  std::vector<T*> items_;
};

// The objects are as far from each other in memory as connections.
template <class Hook>
struct alignas(64) Timer : Hook {
  char rest[1'024];
};
struct Eager {
  using Item = Timer<EagerHook>;
  using Heap = EagerHeap<Item>;
};
struct Lazy {
  using Item = Timer<DeadlineHook>;
  using Heap = DeadlineHeap<Item>;
};

// Timers armed within 30 s, and the order of their use.
template <class Kind>
struct Load {
  explicit Load(std::size_t count) : items(count), order(count) {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < count; ++i) {
      order[i] = static_cast<std::uint32_t>(random() % count);
      heap.arm(items[i], now + 1s + std::chrono::microseconds(random() % 29'000'000));
    }
  }
  typename Kind::Item& next() {
    index = index + 1 == order.size() ? 0 : index + 1;
    return items[order[index]];
  }

  Instant now{1h};
  std::vector<typename Kind::Item> items;
  std::vector<std::uint32_t> order;
  typename Kind::Heap heap;
  std::size_t index = 0;
};

// A packet of one of many connections, a microsecond after the previous packet. It moves the idle deadline,
// and the loop asks for the soonest deadline.
template <class Kind>
void idle_deadline_moves_on(benchmark::State& state) {
  Load<Kind> load(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    load.now += 1us;
    load.heap.arm(load.next(), load.now + 30s);
    while (auto* due = load.heap.take_due(load.now))
      load.heap.arm(*due, load.now + 30s);
    benchmark::DoNotOptimize(load.heap.soonest());
  }
}

// All connections are busy. The loss deadline is 100 ms away, and the next packet moves it before it passes.
template <class Kind>
void loss_deadline_moves_on(benchmark::State& state) {
  Load<Kind> load(static_cast<std::size_t>(state.range(0)));
  for (auto& item : load.items)
    load.heap.arm(item, load.now + 100ms);
  for (auto _ : state) {
    load.now += 1us;
    load.heap.arm(load.next(), load.now + 100ms);
    while (auto* due = load.heap.take_due(load.now))
      load.heap.arm(*due, load.now + 100ms);
    benchmark::DoNotOptimize(load.heap.soonest());
  }
}

// Pacing of one of many connections: the timer is armed for a few microseconds, expires, and is armed for 30
// s again.
template <class Kind>
void short_deadline_fires(benchmark::State& state) {
  Load<Kind> load(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    load.heap.arm(load.next(), load.now + 5us);
    load.now += 5us;
    while (auto* due = load.heap.take_due(load.now))
      load.heap.arm(*due, load.now + 30s);
    benchmark::DoNotOptimize(load.heap.soonest());
  }
}

BENCHMARK(idle_deadline_moves_on<Eager>)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(idle_deadline_moves_on<Lazy>)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(loss_deadline_moves_on<Eager>)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(loss_deadline_moves_on<Lazy>)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(short_deadline_fires<Eager>)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(short_deadline_fires<Lazy>)->Arg(10)->Arg(10'000)->Arg(100'000);

}  // namespace
