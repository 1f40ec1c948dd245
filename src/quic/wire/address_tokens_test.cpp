#include "quic/wire/address_tokens.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "quic/wire/seeded_random_test_support.hpp"

namespace knul::quic {
namespace {

constexpr base::Duration kInstant{1};
constexpr std::uint32_t kVersion = NGTCP2_PROTO_VER_V1;

base::SocketAddress address_of(const char* ip, std::uint16_t port) {
  return *base::SocketAddress::parse(ip, port);
}

ngtcp2_cid cid_of(std::size_t length, std::uint8_t first) {
  ngtcp2_cid cid{};
  cid.datalen = length;
  for (std::size_t i = 0; i < length; ++i) {
    cid.data[i] = static_cast<std::uint8_t>(first + i);
  }
  return cid;
}

class AddressToken : public testing::Test {
 protected:
  const std::vector<std::uint8_t> secret_ = std::vector<std::uint8_t>(32, 7);
  SeededRandom random_{1};
  AddressTokens tokens_{secret_, random_};
  const base::Instant now_{std::chrono::hours(100)};
  const base::SocketAddress client_ = address_of("192.0.2.1", 40'000);
  const ngtcp2_cid source_ = cid_of(8, 10);
  const ngtcp2_cid original_ = cid_of(18, 50);
};

TEST_F(AddressToken, OfNewTokenIsValidForAnyPortAndWorker) {
  const AddressTokens other_worker(secret_, random_);
  for (const char* ip : {"192.0.2.1", "2001:db8::1"}) {
    const auto token = tokens_.make_new_token(address_of(ip, 1'000), now_);
    EXPECT_TRUE(tokens_.is_valid_new_token(token, address_of(ip, 2'000), now_)) << ip;
    EXPECT_TRUE(other_worker.is_valid_new_token(token, address_of(ip, 1'000), now_)) << ip;
    // Another worker's clock may be slightly behind.
    EXPECT_TRUE(other_worker.is_valid_new_token(token, address_of(ip, 1'000), now_ - kInstant)) << ip;
  }
}

TEST_F(AddressToken, OfNewTokenEndsWithItsLifetime) {
  const auto token = tokens_.make_new_token(client_, now_);
  const base::Instant end = now_ + AddressTokens::kNewTokenLifetime;
  EXPECT_TRUE(tokens_.is_valid_new_token(token, client_, end - kInstant));
  EXPECT_FALSE(tokens_.is_valid_new_token(token, client_, end));
}

TEST_F(AddressToken, OfNewTokenIsValidOnlyForItsAddressAndSecret) {
  const auto token = tokens_.make_new_token(client_, now_);
  EXPECT_FALSE(tokens_.is_valid_new_token(token, address_of("192.0.2.2", 40'000), now_));
  EXPECT_FALSE(tokens_.is_valid_new_token(token, address_of("::ffff:192.0.2.1", 40'000), now_));
  const AddressTokens of_another(std::vector<std::uint8_t>(32, 8), random_);
  EXPECT_FALSE(of_another.is_valid_new_token(token, client_, now_));
}

TEST_F(AddressToken, DependsOnEachOfItsBytes) {
  auto token = tokens_.make_new_token(client_, now_);
  for (std::uint8_t& byte : token) {
    byte ^= 1;
    EXPECT_FALSE(tokens_.is_valid_new_token(token, client_, now_)) << &byte - token.data();
    byte ^= 1;
  }
  EXPECT_TRUE(tokens_.is_valid_new_token(token, client_, now_));
  auto retry = tokens_.make_retry_token({kVersion, client_, source_}, original_, now_);
  for (std::uint8_t& byte : retry) {
    byte ^= 1;
    EXPECT_FALSE(tokens_.open_retry_token(retry, {kVersion, client_, source_}, now_)) << &byte - retry.data();
    byte ^= 1;
  }
}

TEST_F(AddressToken, OfWrongLengthIsInvalid) {
  const auto token = tokens_.make_new_token(client_, now_);
  const auto retry = tokens_.make_retry_token({kVersion, client_, source_}, original_, now_);
  std::vector<std::uint8_t> longer(token.begin(), token.end());
  longer.push_back(0);
  EXPECT_FALSE(tokens_.is_valid_new_token(longer, client_, now_));
  for (std::size_t length = 0; length < token.size(); ++length) {
    EXPECT_FALSE(tokens_.is_valid_new_token(std::span(token).first(length), client_, now_)) << length;
  }
  for (std::size_t length = 0; length < retry.size(); ++length) {
    const auto part = std::span(retry).first(length);
    EXPECT_FALSE(tokens_.open_retry_token(part, {kVersion, client_, source_}, now_)) << length;
    EXPECT_EQ(AddressTokens::is_retry_token(part), length > 0);
  }
}

TEST_F(AddressToken, IsNeverEqualToAnother) {
  std::set<AddressTokens::NewToken> seen;
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(seen.insert(tokens_.make_new_token(client_, now_)).second);
  }
}

TEST_F(AddressToken, OfRetryReturnsTheOriginalConnectionId) {
  for (std::size_t length = 0; length <= NGTCP2_MAX_CIDLEN; ++length) {
    const ngtcp2_cid original = cid_of(length, 100);
    const auto token = tokens_.make_retry_token({kVersion, client_, source_}, original, now_);
    EXPECT_TRUE(AddressTokens::is_retry_token(token));
    const auto opened = tokens_.open_retry_token(token, {kVersion, client_, source_}, now_);
    ASSERT_TRUE(opened) << length;
    EXPECT_TRUE(ngtcp2_cid_eq(&*opened, &original)) << length;
  }
}

TEST_F(AddressToken, OfRetryHoldsTheLongestAddressAndConnectionIds) {
  const base::SocketAddress client = address_of("2001:db8::1", 40'000);
  const ngtcp2_cid source = cid_of(NGTCP2_MAX_CIDLEN, 10);
  const ngtcp2_cid original = cid_of(NGTCP2_MAX_CIDLEN, 50);
  const auto token = tokens_.make_retry_token({kVersion, client, source}, original, now_);
  const auto opened = tokens_.open_retry_token(token, {kVersion, client, source}, now_);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(ngtcp2_cid_eq(&*opened, &original));
}

TEST_F(AddressToken, OfRetryIsBoundToVersionAddressPortAndConnectionId) {
  const auto token = tokens_.make_retry_token({kVersion, client_, source_}, original_, now_);
  const auto opens = [&](std::uint32_t version, const base::SocketAddress& client, const ngtcp2_cid& source) {
    return tokens_.open_retry_token(token, {version, client, source}, now_).has_value();
  };
  EXPECT_TRUE(opens(kVersion, client_, source_));
  EXPECT_FALSE(opens(NGTCP2_PROTO_VER_V2, client_, source_));
  EXPECT_FALSE(opens(kVersion, address_of("192.0.2.2", 40'000), source_));
  EXPECT_FALSE(opens(kVersion, address_of("192.0.2.1", 40'001), source_));
  EXPECT_FALSE(opens(kVersion, client_, cid_of(8, 11)));
  EXPECT_FALSE(opens(kVersion, client_, cid_of(7, 10)));
}

TEST_F(AddressToken, OfRetryEndsWithItsLifetime) {
  const auto token = tokens_.make_retry_token({kVersion, client_, source_}, original_, now_);
  const base::Instant end = now_ + AddressTokens::kRetryLifetime;
  EXPECT_TRUE(tokens_.open_retry_token(token, {kVersion, client_, source_}, end - kInstant));
  EXPECT_FALSE(tokens_.open_retry_token(token, {kVersion, client_, source_}, end));
}

TEST_F(AddressToken, OfOneKindIsInvalidAsTheOther) {
  auto token = tokens_.make_new_token(client_, now_);
  EXPECT_FALSE(AddressTokens::is_retry_token(token));
  const auto retry = tokens_.make_retry_token({kVersion, client_, source_}, original_, now_);
  EXPECT_FALSE(tokens_.is_valid_new_token(retry, client_, now_));
  token[0] = retry[0];
  EXPECT_FALSE(tokens_.open_retry_token(token, {kVersion, client_, source_}, now_));
}

}  // namespace
}  // namespace knul::quic
