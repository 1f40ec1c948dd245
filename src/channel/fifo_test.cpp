#include "channel/fifo.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace knul::channel {
namespace {

TEST(Fifo, DoesWhatADequeDoes) {
  std::mt19937 random(1);
  Fifo<std::unique_ptr<int>> fifo;
  std::deque<int> expected;
  for (int step = 0; step < 100'000; ++step) {
    if (random() % 2 == 0 || expected.empty()) {
      fifo.push(std::make_unique<int>(step));
      expected.push_back(step);
    } else {
      fifo.pop();
      expected.pop_front();
    }
    ASSERT_EQ(fifo.size(), expected.size());
    ASSERT_EQ(fifo.empty(), expected.empty());
    if (!expected.empty()) {
      ASSERT_EQ(*fifo.front(), expected.front());
      ASSERT_EQ(*fifo.back(), expected.back());
    }
  }
}

TEST(Fifo, StaysWhereItIsWhenAsManyComeAsGo) {
  Fifo<int> fifo;
  fifo.push(0);
  fifo.push(1);
  std::vector<const int*> places;
  for (int lap = 0; lap < 3; ++lap) {
    for (int i = 0; i < 32; ++i) {
      fifo.push(i);
      fifo.pop();
      places.push_back(&fifo.front());
    }
  }
  const std::vector<const int*> first(places.begin(), places.begin() + 32);
  EXPECT_EQ(first, std::vector<const int*>(places.end() - 32, places.end()));
}

TEST(Fifo, DestroysWhatIsInIt) {
  const auto witness = std::make_shared<int>(0);
  {
    Fifo<std::shared_ptr<int>> fifo;
    for (int i = 0; i < 10; ++i) {
      fifo.push(witness);
    }
    Fifo<std::shared_ptr<int>> other = std::move(fifo);
    EXPECT_EQ(witness.use_count(), 11);
    other.pop();
    EXPECT_EQ(witness.use_count(), 10);
    other.clear();
    EXPECT_EQ(witness.use_count(), 1);
    other.push(witness);
    fifo = std::move(other);
    EXPECT_EQ(witness.use_count(), 2);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace knul::channel
