// Both protection libraries under the QUIC library; each side of a connection may use another one.
#include "quic/crypto/packet_protection.hpp"

#include <gtest/gtest.h>

#include <tuple>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

struct Choice {
  const ProtectionLibrary* server;
  const ProtectionLibrary* client;
};

// Parameters: the server uses ipsec-mb, the client does, the cipher.
class PacketProtection : public testing::TestWithParam<std::tuple<bool, bool, gnutls_cipher_algorithm_t>> {
 protected:
  static Choice choice() {
    return {std::get<0>(GetParam()) ? ipsec_mb() : nullptr, std::get<1>(GetParam()) ? ipsec_mb() : nullptr};
  }
  static gnutls_cipher_algorithm_t cipher() { return std::get<2>(GetParam()); }
  void SetUp() override {
    if (ipsec_mb() == nullptr)
      GTEST_SKIP() << "not in this build, or no AES instructions";
  }

  void transfer(EndpointPair& pair, char content) {
    Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
    const std::int64_t id = stream.id;
    const std::string text(200'000, content);
    ASSERT_EQ(pair.client_connection().streams().write_copy(stream, bytes_of(text), Fin::kYes), text.size());
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.received[id], text);
  }
};

TEST_P(PacketProtection, CarriesDataThroughKeyUpdates) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions& client) {
    server.protection = choice().server;
    client.protection = choice().client;
    client.client_tls = *TlsClientContext::create(
        {.alpn = {"knul"}, .ca_pem = {}, .verify_peer = false, .ciphers = {cipher()}});
  });
  pair.shake_hands();
  transfer(pair, 'a');
  for (const char content : {'b', 'c'}) {
    ASSERT_TRUE(pair.client_connection().begin_key_update(pair.now));
    transfer(pair, content);
    transfer(pair, content);  // a later write of the library makes the next keys
  }
  EXPECT_EQ(pair.server_counters.key_updates.load(), 2U);
  const ngtcp2_crypto_aead& agreed = ngtcp2_conn_get_crypto_ctx(pair.server_connection().native())->aead;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(agreed.native_handle), std::uintptr_t{cipher()});
  EXPECT_EQ(has_keys_of(choice().server, pair.server_connection().native()), choice().server != nullptr);
}

INSTANTIATE_TEST_SUITE_P(OfServerAndClient, PacketProtection,
                         testing::Combine(testing::Bool(), testing::Bool(),
                                          testing::Values(GNUTLS_CIPHER_AES_128_GCM,
                                                          GNUTLS_CIPHER_AES_256_GCM,
                                                          GNUTLS_CIPHER_CHACHA20_POLY1305)));

}  // namespace
}  // namespace knul::quic
