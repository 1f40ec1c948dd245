// When the peer gets stream credit.
#include "quic/stream/stream_credit.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

TEST(StreamCredit, IsNotDueWhileThePeerHasMostOfItsStreams) {
  StreamCredit credit(100);
  EXPECT_FALSE(credit.note_opened(0));
  EXPECT_FALSE(credit.note_finished());
  EXPECT_EQ(credit.take(), 1U);
  EXPECT_EQ(credit.take(), 0U);
}

TEST(StreamCredit, IsDueWhenAStreamIsOpenedBeyondAQuarter) {
  StreamCredit credit(8);
  EXPECT_FALSE(credit.note_opened(0));
  EXPECT_FALSE(credit.note_finished());
  EXPECT_FALSE(credit.note_opened(4));
  EXPECT_TRUE(credit.note_opened(8));
  EXPECT_EQ(credit.take(), 1U);
  EXPECT_FALSE(credit.note_opened(12)) << "nothing to give";
  EXPECT_TRUE(credit.note_finished());
}

TEST(StreamCredit, CountsStreamsThatAreOpenedOutOfOrderOnce) {
  StreamCredit credit(8);
  EXPECT_FALSE(credit.note_opened(4));
  EXPECT_FALSE(credit.note_opened(0));
  EXPECT_FALSE(credit.note_finished()) << "six are left";
  EXPECT_TRUE(credit.note_opened(8));
}

TEST(StreamCredit, IsDueAtOnceWhereOnlyOneStreamIsAllowed) {
  StreamCredit credit(1);
  EXPECT_FALSE(credit.note_opened(0));
  EXPECT_TRUE(credit.note_finished());
}

struct RequestPair : EndpointPair {
  static constexpr std::uint64_t kStreams = 8;
  RequestPair() : EndpointPair(&allow_few) { shake_hands(); }
  static void allow_few(EndpointOptions& of_server, EndpointOptions& /*of_client*/) {
    of_server.transport.max_streams_bidi = kStreams;
  }
  std::int64_t ask() {
    Stream& stream = **client_connection().streams().open(StreamDirection::kBidirectional);
    const std::int64_t id = stream.id;
    client_connection().streams().write_copy(stream, bytes_of("question"), Fin::kYes);
    advance(1ms);
    return id;
  }
  void answer(std::int64_t id) {
    Connection& connection = server_connection();
    connection.streams().write_copy(*connection.streams().find(id), bytes_of("answer"), Fin::kYes);
    advance(100ms);
  }
  std::uint64_t left() { return ngtcp2_conn_get_streams_bidi_left(client_connection().native()); }
};

TEST(StreamCredit, ComesWithTheNextAnswer) {
  RequestPair pair;
  pair.answer(pair.ask());
  EXPECT_EQ(pair.left(), RequestPair::kStreams - 1) << "no packet only for this";
  pair.answer(pair.ask());
  EXPECT_EQ(pair.left(), RequestPair::kStreams - 1);
}

TEST(StreamCredit, ComesByItselfWhenThePeerRunsShort) {
  RequestPair pair;
  pair.answer(pair.ask());
  for (int i = 0; i < 2; ++i) {
    pair.ask();  // and gets no answer
  }
  EXPECT_EQ(pair.left(), RequestPair::kStreams - 2) << "two are open";
}

// The server cannot know that the peer has used up its streams, because it sent nothing on them.
TEST(StreamCredit, ComesAfterASecondAtTheLatest) {
  RequestPair pair;
  pair.answer(pair.ask());
  ASSERT_EQ(pair.left(), RequestPair::kStreams - 1);
  pair.advance(1s);
  EXPECT_EQ(pair.left(), RequestPair::kStreams);
  EXPECT_GT(pair.server->next_expiry(), pair.now + 1s) << "the time for it is over";
}

TEST(StreamCredit, ComesAtOnceForAStreamThatThePeerGaveUp) {
  RequestPair pair;
  const std::int64_t id = pair.ask();
  Stream& stream = *pair.client_connection().streams().find(id);
  pair.client_connection().streams().stop_sending(stream, 1);
  pair.advance(1s);
  EXPECT_EQ(pair.left(), RequestPair::kStreams);
}

}  // namespace
}  // namespace knul::quic
