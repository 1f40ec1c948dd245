// Both libraries behind the QUIC library: each side of a connection may choose its own.
#include "quic/packet_protection.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

struct Choice {
  const ProtectionLibrary* server;
  const ProtectionLibrary* client;
};

class PacketProtection : public testing::TestWithParam<int> {
 protected:
  // Bit 0: the server's library is ipsec-mb; bit 1: the client's.
  static Choice choice() {
    return {(GetParam() & 1) != 0 ? ipsec_mb() : nullptr, (GetParam() & 2) != 0 ? ipsec_mb() : nullptr};
  }
  void SetUp() override {
    if (ipsec_mb() == nullptr)
      GTEST_SKIP() << "not in this build, or no AES instructions";
  }

  void transfer(EndpointPair& pair, char content) {
    Stream& stream = **pair.client_connection().open_stream(true);
    const std::int64_t id = stream.id;
    const std::string text(200'000, content);
    ASSERT_EQ(pair.client_connection().write_copy(stream, bytes_of(text), true), text.size());
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.received[id], text);
  }
};

TEST_P(PacketProtection, CarriesDataThroughKeyUpdates) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions& client) {
    server.protection = choice().server;
    client.protection = choice().client;
  });
  pair.shake_hands();
  transfer(pair, 'a');
  for (const char content : {'b', 'c'}) {
    ASSERT_TRUE(pair.client_connection().begin_key_update(pair.now));
    transfer(pair, content);
    transfer(pair, content);  // the library makes the next keys ready when it writes later on
  }
  EXPECT_EQ(pair.server_counters.key_updates.load(), 2U);
  EXPECT_EQ(has_keys_of(choice().server, pair.server_connection().native()), choice().server != nullptr);
}

INSTANTIATE_TEST_SUITE_P(OfServerAndClient, PacketProtection, testing::Range(0, 4));

}  // namespace
}  // namespace knul::quic
