#include "quic/wire/reset_tokens.hpp"

#include <gtest/gtest.h>

#include <array>

namespace knul::quic {
namespace {

using Token = std::array<std::uint8_t, ResetTokens::kLength>;
using Secret = std::array<std::uint8_t, 32>;
constexpr std::array<std::uint8_t, 8> kId{1, 2, 3, 4, 5, 6, 7, 8};

Token token_of(ResetTokens& tokens, std::span<const std::uint8_t> id) {
  Token token{};
  EXPECT_TRUE(tokens.write(id, token.data()));
  return token;
}

TEST(ResetTokens, AreTheSameForAllWorkersOfOneSecretAtAnyTime) {
  ResetTokens one(Secret{7});
  ResetTokens other(Secret{7});
  const Token first = token_of(one, kId);
  token_of(one, std::span(kId).first(5));
  EXPECT_EQ(token_of(one, kId), first);
  EXPECT_EQ(token_of(other, kId), first);
}

TEST(ResetTokens, DifferBySecretByIdAndByItsLength) {
  ResetTokens tokens(Secret{7});
  ResetTokens of_another(Secret{8});
  const Token token = token_of(tokens, kId);
  EXPECT_NE(token_of(of_another, kId), token);
  EXPECT_NE(token_of(tokens, std::span(kId).first(7)), token);
  EXPECT_NE(token_of(tokens, std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 9}), token);
}

}  // namespace
}  // namespace knul::quic
