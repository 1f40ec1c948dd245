#include "world.hpp"

#include <cstdlib>
#include <exception>
#include <string>

namespace knul::sim {
namespace {

std::uint64_t number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

std::string rerun_hint(std::uint64_t seed) {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  return "seed " + std::to_string(seed) + ", again with: KNUL_SIM_SEED=" + std::to_string(seed) +
         " knul_sim_test --gtest_filter=" + test.test_suite_name() + "." + test.name();
}

}  // namespace

void for_each_seed(unsigned usual, const std::function<void(std::uint64_t seed)>& scenario) {
  const std::uint64_t only = number_from_environment("KNUL_SIM_SEED");
  const std::uint64_t asked = number_from_environment("KNUL_SIM_SEEDS");
  const std::uint64_t last = only != 0 ? only : asked != 0 ? asked : kIsSanitized ? 1 : usual;
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, rerun_hint(seed));
    try {
      scenario(seed);
    } catch (const std::exception& failure) {
      ADD_FAILURE() << failure.what();
    }
    if (testing::Test::HasFailure()) {
      return;  // one seed is enough to look at
    }
  }
}

}  // namespace knul::sim
