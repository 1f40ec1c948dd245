// Connections hibernate and wake; their pages are overwritten meanwhile.
#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr auto kHibernateAfter = std::chrono::seconds(2);  // TransportOptions' default

// The time from a request to the last packet, in which the server grants the stream credit for it.
constexpr base::Duration kUntilLastPacket = 1s + 10ms;

// A pair after its handshake.
struct ShakenPair : EndpointPair {
  explicit ShakenPair(const Change& change = {}) : EndpointPair(change) { shake_hands(); }

  // One request of the client with the server's answer. The streams of the connection end with it.
  void exchange(const std::string& request) {
    server_observer.on_data = [](Connection& connection, Stream& stream, Fin fin) {
      if (fin == Fin::kYes)
        connection.streams().write_copy(stream, bytes_of("answer"), Fin::kYes);
    };
    Connection& from = client_connection();
    Stream& stream = **from.streams().open(StreamDirection::kBidirectional);
    last_stream = stream.id;
    from.streams().write_copy(stream, bytes_of(request), Fin::kYes);
    advance(kUntilLastPacket);
  }

  std::int64_t last_stream = -1;
};

TEST(Hibernation, ComesSoonForAConnectionThatNeverCarriedAStream) {
  ShakenPair pair;
  const std::uint64_t awake = pair.server_counters.connection_memory_bytes.load();
  pair.advance(500ms);
  EXPECT_TRUE(pair.server_connection().is_hibernating());
  EXPECT_EQ(pair.server_counters.connections_hibernating.load(), 1U);
  EXPECT_LT(pair.server_counters.connection_memory_bytes.load(), awake / 3);
}

TEST(Hibernation, ComesWhenTheLastPacketIsLongEnoughAgo) {
  ShakenPair pair;
  pair.exchange("hello");
  pair.advance(kHibernateAfter - 500ms);
  EXPECT_FALSE(pair.server_connection().is_hibernating());
  pair.advance(1s);
  EXPECT_TRUE(pair.server_connection().is_hibernating());
}

TEST(Hibernation, IsNothingThatThePeerNotices) {
  ShakenPair pair;
  for (int round = 0; round < 20; ++round) {
    pair.advance(kHibernateAfter + 1s);
    ASSERT_TRUE(pair.server_connection().is_hibernating());
    ASSERT_TRUE(pair.client_connection().is_hibernating());
    const std::string request = "request " + std::to_string(round);
    pair.exchange(request);
    EXPECT_EQ(pair.server_observer.received[pair.last_stream], request);
    EXPECT_EQ(pair.client_observer.received[pair.last_stream], "answer");
  }
  EXPECT_EQ(pair.server_counters.hibernations.load(), 20U);
}

TEST(Hibernation, DoesNotComeBetweenTheDatagramsOfAConnection) {
  ShakenPair pair;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("x")));
    pair.advance(500ms);
  }
  EXPECT_EQ(pair.server_observer.datagrams.size(), 10U);
  EXPECT_EQ(pair.server_counters.hibernations.load(), 0U);
  EXPECT_EQ(pair.client_counters.hibernations.load(), 0U);
}

TEST(Hibernation, WaitsForOpenStreams) {
  ShakenPair pair;
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  pair.client_connection().streams().write_copy(stream, bytes_of("the beginning"), Fin::kNo);
  pair.advance(kHibernateAfter * 5);
  EXPECT_FALSE(pair.server_connection().is_hibernating());
  EXPECT_FALSE(pair.client_connection().is_hibernating());
}

TEST(Hibernation, EndsWithTheIdleTimeoutOfTheConnection) {
  ShakenPair pair([](EndpointOptions& server, EndpointOptions& client) {
    server.transport.idle_timeout = client.transport.idle_timeout = 10s;
  });
  pair.advance(9s);
  ASSERT_TRUE(pair.server_connection().is_hibernating());
  pair.advance(5s);
  ASSERT_EQ(pair.server_observer.closed.size(), 1U);
  EXPECT_EQ(pair.server_observer.closed[0].source, CloseCause::Source::kIdleTimeout);
  EXPECT_EQ(pair.server_counters.connections_hibernating.load(), 0U);
  EXPECT_EQ(pair.server_counters.connection_memory_bytes.load(), 0U);
}

TEST(Hibernation, LetsAConnectionBeClosedAndLookedAt) {
  ShakenPair pair;
  pair.exchange("hello");
  const TransportState before = pair.server_connection().transport_state();
  pair.advance(kHibernateAfter + 1s);
  ASSERT_TRUE(pair.server_connection().is_hibernating());
  EXPECT_EQ(pair.server_connection().transport_state().smoothed_rtt, before.smoothed_rtt);
  EXPECT_TRUE(pair.server_connection().is_hibernating()) << "a look woke it";
  pair.server_connection().close(7, "enough");
  pair.run();
  ASSERT_EQ(pair.client_observer.closed.size(), 1U);
  EXPECT_EQ(pair.client_observer.closed[0].code, 7U);
}

TEST(Hibernation, FreesWhatABurstLeftBehind) {
  ShakenPair pair;
  pair.server_observer.on_data = [](Connection& connection, Stream& stream, Fin fin) {
    if (fin == Fin::kYes)
      connection.streams().write_copy(stream, bytes_of(std::string(1'024, 'a')), Fin::kYes);
  };
  for (int i = 0; i < 64; ++i) {
    Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
    pair.client_connection().streams().write_copy(stream, bytes_of("request"), Fin::kYes);
  }
  pair.run();
  const std::uint64_t busy = pair.server_counters.connection_memory_bytes.load();
  pair.advance(kUntilLastPacket + kHibernateAfter + 1s);
  ASSERT_TRUE(pair.server_connection().is_hibernating());
  EXPECT_LT(pair.server_counters.connection_memory_bytes.load(), busy / 5);
  EXPECT_LT(pair.server_counters.connection_memory_bytes.load(), 10'000U);
}

// Keys of ipsec-mb with a count of rest() calls.
class CountingLibrary final : public ProtectionLibrary {
 public:
  [[nodiscard]] std::unique_ptr<AeadKey> make_aead_key(Cipher cipher,
                                                       std::span<const std::uint8_t> key) const override {
    return std::make_unique<Aead>(ipsec_mb()->make_aead_key(cipher, key), aead_rests);
  }
  [[nodiscard]] std::unique_ptr<HeaderKey> make_header_key(Cipher cipher,
                                                           std::span<const std::uint8_t> key) const override {
    return std::make_unique<Header>(ipsec_mb()->make_header_key(cipher, key), header_rests);
  }

  mutable int aead_rests = 0;
  mutable int header_rests = 0;

 private:
  struct Aead final : AeadKey {
    Aead(std::unique_ptr<AeadKey> of, int& counter) : key(std::move(of)), freed(counter) {}
    bool seal(std::uint8_t* dest, std::span<const std::uint8_t> plaintext, const std::uint8_t* nonce,
              std::span<const std::uint8_t> associated) override {
      return key->seal(dest, plaintext, nonce, associated);
    }
    bool open(std::uint8_t* dest, std::span<const std::uint8_t> ciphertext, const std::uint8_t* nonce,
              std::span<const std::uint8_t> associated) override {
      return key->open(dest, ciphertext, nonce, associated);
    }
    void free_spare_memory() override { ++freed; }
    const std::unique_ptr<AeadKey> key;
    int& freed;
  };
  struct Header final : HeaderKey {
    Header(std::unique_ptr<HeaderKey> of, int& counter) : key(std::move(of)), freed(counter) {}
    bool mask(std::uint8_t* dest, const std::uint8_t* sample) override { return key->mask(dest, sample); }
    void free_spare_memory() override { ++freed; }
    const std::unique_ptr<HeaderKey> key;
    int& freed;
  };
};

TEST(Hibernation, LetsAllKeysOfTheConnectionRest) {
  if (ipsec_mb() == nullptr)
    GTEST_SKIP() << "not in this build, or no AES instructions";
  const CountingLibrary library;
  ShakenPair pair([&library](EndpointOptions& server, EndpointOptions&) { server.protection = &library; });
  EXPECT_EQ(library.aead_rests, 0);
  pair.advance(500ms);
  ASSERT_TRUE(pair.server_connection().is_hibernating());
  EXPECT_EQ(library.aead_rests, 4);    // the present and the next key of each direction
  EXPECT_EQ(library.header_rests, 2);  // one key of each direction
}

TEST(Hibernation, CanBeSwitchedOff) {
  ShakenPair pair([](EndpointOptions& server, EndpointOptions& client) {
    server.transport.hibernate_after = 0s;
    client.pages = nullptr;
  });
  pair.advance(20s);
  EXPECT_FALSE(pair.server_connection().is_hibernating());
  EXPECT_FALSE(pair.client_connection().is_hibernating());
  EXPECT_EQ(pair.server_counters.connection_memory_bytes.load(), 0U);
}

TEST(Hibernation, LeavesNothingBehindWhenTheEndpointGoes) {
  ShakenPair pair;
  pair.advance(kHibernateAfter + 1s);
  ASSERT_TRUE(pair.server_connection().is_hibernating());
  pair.server.reset();
  EXPECT_EQ(pair.server_counters.connection_memory_bytes.load(), 0U);
  EXPECT_EQ(pair.server_counters.connections_hibernating.load(), 0U);
}

}  // namespace
}  // namespace knul::quic
