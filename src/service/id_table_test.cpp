#include "service/id_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace knul::service {
namespace {

TEST(IdTable, FindsNothingWhenEmpty) {
  IdTable<int> table(1);
  EXPECT_EQ(table.find(4), nullptr);
}

TEST(IdTable, MakesAValueByDefaultOnce) {
  IdTable<int> table(1);
  table.find_or_insert(4) += 7;
  EXPECT_EQ(table.find_or_insert(4), 7);
  EXPECT_EQ(table.size(), 1U);
}

TEST(IdTable, ErasingAnUnknownIdChangesNothing) {
  IdTable<int> table(1);
  table.find_or_insert(4) = 7;
  table.erase(8);
  EXPECT_EQ(*table.find(4), 7);
}

// Compares with std::unordered_map, with so few IDs that probe chains form and holes open inside them.
TEST(IdTable, AgreesWithAMapOverRandomChanges) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  IdTable<std::uint64_t> table(random());
  std::unordered_map<std::uint64_t, std::uint64_t> model;
  for (int step = 0; step < 200'000; ++step) {
    const std::uint64_t id = (random() % 400) * 4;
    if (random() % 2 == 0) {
      table.find_or_insert(id) = model[id] = random();
    } else {
      table.erase(id);
      model.erase(id);
    }
    const std::uint64_t probe = (random() % 400) * 4;
    const auto expected = model.find(probe);
    const std::uint64_t* const found = table.find(probe);
    ASSERT_EQ(found != nullptr, expected != model.end());
    ASSERT_TRUE(found == nullptr || *found == expected->second);
  }
  EXPECT_EQ(table.size(), model.size());
}

}  // namespace
}  // namespace knul::service
