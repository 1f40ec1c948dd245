#include "quic/crypto/hkdf.hpp"

#include <gnutls/crypto.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "quic/crypto/hex_test_support.hpp"

namespace knul::quic {
namespace {

Bytes label_of(Hmac& secret, std::string_view prefix, std::string_view label, std::size_t size) {
  Bytes out(size);
  expand_label(secret, prefix, label, out);
  return out;
}

// RFC 9001 Appendix A.1.
TEST(Hkdf, DerivesTheSampleKeysOfTheRfc) {
  Bytes initial(32);
  Hmac(HashFunction::kSha256, from_hex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"))
      .digest(from_hex("8394c8f03e515708"), initial);
  EXPECT_EQ(initial, from_hex("7db5df06e7a69e432496adedb00851923595221596ae2ae9fb8115c1e9ed0a44"));

  Hmac extracted(HashFunction::kSha256, initial);
  const Bytes client = label_of(extracted, "client ", "in", 32);
  EXPECT_EQ(client, from_hex("c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea"));
  EXPECT_EQ(label_of(extracted, "server ", "in", 32),
            from_hex("3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b"));

  Hmac secret(HashFunction::kSha256, client);
  EXPECT_EQ(label_of(secret, "quic ", "key", 16), from_hex("1f369613dd76d5467730efcbe3b1a22d"));
  EXPECT_EQ(label_of(secret, "quic ", "iv", 12), from_hex("fa044b2f42a3fd3b46fb255c"));
  EXPECT_EQ(label_of(secret, "quic ", "hp", 16), from_hex("9f50449e04a0e810283a1e9933adedd2"));
}

// RFC 4231 §4.4 (test case 3).
TEST(Hkdf, HashesTheSampleMessageOfTheRfcBySha384) {
  Bytes out(48);
  Hmac(HashFunction::kSha384, Bytes(20, 0xaa)).digest(Bytes(50, 0xdd), out);
  EXPECT_EQ(out, from_hex("88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
                          "2a5ab39dc13814b94e3ab6e101a34f27"));
}

TEST(Hkdf, AgreesWithGnutlsOnRandomMessages) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto random_bytes = [&random](std::size_t most) {
    Bytes bytes(random() % (most + 1));
    std::ranges::generate(bytes, [&random] { return static_cast<std::uint8_t>(random()); });
    return bytes;
  };
  constexpr std::array kBoth = {std::pair{HashFunction::kSha256, GNUTLS_MAC_SHA256},
                                std::pair{HashFunction::kSha384, GNUTLS_MAC_SHA384}};
  for (const auto& [hash, mac] : kBoth) {
    for (int i = 0; i < 200; ++i) {
      const Bytes key = random_bytes(200), message = random_bytes(300);
      const std::size_t size = gnutls_hmac_get_len(mac);
      Bytes ours(size), theirs(size);
      ASSERT_EQ(gnutls_hmac_fast(mac, key.data(), key.size(), message.data(), message.size(), theirs.data()),
                0);
      Hmac hmac(hash, key);
      for (int times = 0; times < 2; ++times) {
        hmac.digest(message, ours);
        EXPECT_EQ(ours, theirs) << "message " << i << ", time " << times;
      }
    }
  }
}

}  // namespace
}  // namespace knul::quic
