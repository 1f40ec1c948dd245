#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace knul::base {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) {
    return Error{ErrorKind::kInvalidArgument, std::to_string(number) + " is odd"};
  }
  return number / 2;
}

TEST(Result, HoldsTheValueOfASuccess) {
  const Result<int> result = half_of(8);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 4);
}

TEST(Result, HoldsTheErrorOfAFailure) {
  const Result<int> result = half_of(3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(result.error().message, "3 is odd");
}

TEST(Result, GivesAMoveOnlyValueAway) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
}

TEST(Result, TellsAnErrorFromAValueOfTheSameText) {
  const Result<std::string> value(std::string("refused"));
  const Result<std::string> error(Error{ErrorKind::kNetwork, "refused"});
  EXPECT_TRUE(value.has_value());
  EXPECT_FALSE(error.has_value());
}

TEST(Status, IsASuccessByDefault) { EXPECT_TRUE(Status{}.has_value()); }

TEST(Status, HoldsTheErrorOfAFailure) {
  const Status status = Error{ErrorKind::kNetwork, "no route"};
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kNetwork);
}

}  // namespace
}  // namespace knul::base
