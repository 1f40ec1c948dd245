// The order in which streams send, and the time when their end is reported.
#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBytes = 100'000;

Stream& open_with(Connection& connection, std::size_t bytes) {
  Stream& stream = **connection.streams().open(StreamDirection::kBidirectional);
  connection.streams().write_copy(stream, std::vector<std::uint8_t>(bytes, 1), Fin::kYes);
  return stream;
}

// The streams that have ended at the server, in order.
std::vector<std::int64_t> finished_at(EndpointPair& pair) {
  pair.advance(5s);
  return pair.server_observer.finished;
}

TEST(StreamOrder, SendsTheMoreUrgentStreamFirst) {
  EndpointPair pair;
  pair.shake_hands();
  Connection& connection = pair.client_connection();
  const Stream& late = open_with(connection, kBytes);
  Stream& early = open_with(connection, kBytes);
  const std::int64_t late_id = late.id;
  const std::int64_t early_id = early.id;
  connection.streams().set_priority(early, {.urgency = 1, .is_incremental = true});
  EXPECT_EQ(finished_at(pair), (std::vector<std::int64_t>{early_id, late_id}));
}

TEST(StreamOrder, SendsStreamsThatAreNotIncrementalOneAfterTheOther) {
  EndpointPair pair;
  pair.shake_hands();
  Connection& connection = pair.client_connection();
  Stream& larger = open_with(connection, 2 * kBytes);
  Stream& smaller = open_with(connection, kBytes);
  const std::int64_t larger_id = larger.id;
  const std::int64_t smaller_id = smaller.id;
  connection.streams().set_priority(larger, {.urgency = 3, .is_incremental = false});
  connection.streams().set_priority(smaller, {.urgency = 3, .is_incremental = false});
  EXPECT_EQ(finished_at(pair), (std::vector<std::int64_t>{larger_id, smaller_id}));
}

TEST(StreamOrder, LetsIncrementalStreamsTakeTurns) {
  EndpointPair pair;
  pair.shake_hands();
  Connection& connection = pair.client_connection();
  const std::int64_t larger_id = open_with(connection, 2 * kBytes).id;
  const std::int64_t smaller_id = open_with(connection, kBytes).id;
  EXPECT_EQ(finished_at(pair), (std::vector<std::int64_t>{smaller_id, larger_id}));
}

TEST(StreamOrder, KeepsARetainedStreamAndItsCreditUntilItIsReleased) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_bidi = 1; });
  pair.shake_hands();
  pair.server_observer.on_data = [](Connection& connection, Stream& stream, Fin fin) {
    connection.streams().retain(stream);
    connection.streams().write_copy(stream, {}, fin);
  };
  const std::int64_t id = open_with(pair.client_connection(), 10).id;
  pair.advance(1s);
  EXPECT_TRUE(pair.server_observer.streams_closed.empty());
  EXPECT_FALSE(pair.client_connection().streams().open(StreamDirection::kBidirectional));
  pair.server_connection().streams().release(*pair.server_connection().streams().find(id));
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1U);
  EXPECT_TRUE(pair.client_connection().streams().open(StreamDirection::kBidirectional));
}

}  // namespace
}  // namespace knul::quic
