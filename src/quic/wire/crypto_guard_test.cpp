#include "quic/wire/crypto_guard.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::quic {
namespace {

std::vector<std::uint8_t> message(std::uint8_t type, std::size_t body_bytes) {
  std::vector<std::uint8_t> bytes{type, static_cast<std::uint8_t>(body_bytes >> 16),
                                  static_cast<std::uint8_t>(body_bytes >> 8),
                                  static_cast<std::uint8_t>(body_bytes)};
  bytes.resize(4 + body_bytes, 0x18);
  return bytes;
}

constexpr auto kInitial = NGTCP2_ENCRYPTION_LEVEL_INITIAL;
constexpr auto kHandshake = NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE;

TEST(CryptoGuard, PassesAClientHelloCutIntoSingleBytes) {
  CryptoGuard guard;
  for (std::uint8_t byte : message(1, 300)) {
    ASSERT_EQ(guard.check_client_data(kInitial, std::span(&byte, 1)), CryptoVerdict::kPass);
  }
}

TEST(CryptoGuard, RefusesAnythingButAClientHelloInInitialPackets) {
  CryptoGuard guard;
  EXPECT_EQ(guard.check_client_data(kInitial, message(20, 32)), CryptoVerdict::kUnexpectedMessage);
}

TEST(CryptoGuard, PassesClientCertificateMessagesInHandshakePackets) {
  CryptoGuard guard;
  for (const int type : {11, 15, 20}) {
    ASSERT_EQ(guard.check_client_data(kHandshake, message(static_cast<std::uint8_t>(type), 40)),
              CryptoVerdict::kPass);
  }
}

TEST(CryptoGuard, RefusesKeyUpdateEndOfEarlyDataAndTicketsInHandshakePackets) {
  for (const int type : {24, 5, 4, 99, 1}) {
    CryptoGuard guard;
    EXPECT_EQ(guard.check_client_data(kHandshake, message(static_cast<std::uint8_t>(type), 1)),
              CryptoVerdict::kUnexpectedMessage);
  }
}

TEST(CryptoGuard, RefusesASecondMessageAfterFinished) {
  CryptoGuard guard;
  ASSERT_EQ(guard.check_client_data(kHandshake, message(20, 32)), CryptoVerdict::kPass);
  EXPECT_EQ(guard.check_client_data(kHandshake, message(20, 32)), CryptoVerdict::kUnexpectedMessage);
}

TEST(CryptoGuard, RefusesEveryByteAtOneRttLevel) {
  CryptoGuard guard;
  EXPECT_EQ(guard.check_client_data(NGTCP2_ENCRYPTION_LEVEL_1RTT, message(4, 1)),
            CryptoVerdict::kUnexpectedMessage);
}

TEST(CryptoGuard, StopsAnUnfinishedMessageAtTheBoundOfItsLevel) {
  for (const auto& [level, type] : {std::pair(kInitial, 1), std::pair(kHandshake, 11)}) {
    CryptoGuard guard;
    const std::vector<std::uint8_t> endless = message(static_cast<std::uint8_t>(type), 1'000'000);
    ASSERT_EQ(guard.check_client_data(level, std::span(endless).first(16 * 1024)), CryptoVerdict::kPass);
    EXPECT_EQ(guard.check_client_data(level, std::span(endless).first(1)), CryptoVerdict::kTooMuch);
  }
}

}  // namespace
}  // namespace knul::quic
