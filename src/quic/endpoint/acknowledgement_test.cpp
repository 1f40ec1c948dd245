// Acknowledgements travel with packets that leave anyway (RFC 9000 §13.2.1), and alone only when they are
// due.
#include <gtest/gtest.h>

#include "quic/endpoint/slow_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// A server that answers requests as answer_with() sets. On this path an acknowledgement alone leaves after 6
// ms.
struct AskingPair : SlowPair {
  explicit AskingPair(const Change& change = {})
      : SlowPair([&](EndpointOptions& of_server, EndpointOptions& of_client) {
          for (EndpointOptions* options : {&of_server, &of_client})
            options->transport.max_udp_payload_bytes = 1'200;  // no probes of the path
          if (change)
            change(of_server, of_client);
        }) {
    answer_with([](Connection& connection, Stream& stream) {
      connection.streams().write_copy(stream, bytes_of("answer"), Fin::kYes);
    });
  }

  void answer_with(const std::function<void(Connection&, Stream&)>& answer) {
    server_observer.on_data = [answer](Connection& connection, Stream& stream, Fin fin) {
      if (fin == Fin::kYes)
        answer(connection, stream);
    };
  }
  // The server has received the client's request and has sent nothing yet.
  void ask() {
    request(client_connection());
    now += kLeg;
    ASSERT_EQ(count_packets(*client), 1U);
  }
  static void request(Connection& from) {
    Stream& stream = **from.streams().open(StreamDirection::kBidirectional);
    from.streams().write_copy(stream, bytes_of("request"), Fin::kYes);
  }
  // The packets that `from` sends after the delay of acknowledgements that leave alone.
  std::uint64_t count_packets_later(Endpoint& from) {
    now += 10ms;
    from.handle_expiry(now);
    return count_packets(from);
  }
};

TEST(Acknowledgement, OfARequestTravelsWithItsAnswer) {
  AskingPair pair;
  pair.ask();
  EXPECT_EQ(pair.count_packets(*pair.server), 1U);
  EXPECT_EQ(pair.client_observer.finished.size(), 1U);
  EXPECT_EQ(pair.count_packets_later(*pair.server), 0U);
}

TEST(Acknowledgement, OfAnAnswerTravelsWithTheNextRequest) {
  AskingPair pair;
  pair.client_observer.on_data = [](Connection& connection, Stream&, Fin) {
    AskingPair::request(connection);
  };
  pair.ask();
  pair.now += 2ms;  // so that pacing lets the client send again
  ASSERT_EQ(pair.count_packets(*pair.server), 1U);
  EXPECT_EQ(pair.count_packets(*pair.client), 1U);
  EXPECT_EQ(pair.server_observer.finished.size(), 2U);
  EXPECT_EQ(pair.count_packets_later(*pair.client), 0U);
}

TEST(Acknowledgement, OfARequestTravelsWithADatagram) {
  AskingPair pair;
  pair.answer_with(
      [](Connection& connection, Stream&) { EXPECT_TRUE(connection.send_datagram(bytes_of("answer"))); });
  pair.ask();
  EXPECT_EQ(pair.count_packets(*pair.server), 1U);
  EXPECT_EQ(pair.client_observer.datagrams.size(), 1U);
  EXPECT_EQ(pair.count_packets_later(*pair.server), 0U);
}

TEST(Acknowledgement, WaitsWhereThereIsNoAnswer) {
  AskingPair pair;
  pair.answer_with([](Connection&, Stream&) {});
  pair.ask();
  EXPECT_EQ(pair.count_packets(*pair.server), 0U);
  EXPECT_EQ(pair.count_packets_later(*pair.server), 1U);
}

TEST(Acknowledgement, WaitsWhereTheAnswerWaitsForItsTurn) {
  constexpr std::size_t kPacedBytes = 40'000;
  AskingPair pair;
  Stream& stream = **pair.server_connection().streams().open(StreamDirection::kBidirectional);
  pair.answer_with([](Connection&, Stream&) {});
  pair.request(pair.client_connection());
  const auto write = [&] {
    pair.server_connection().streams().write_copy(stream, std::vector<std::uint8_t>(kPacedBytes, 1),
                                                  Fin::kNo);
  };
  write();
  ASSERT_GT(pair.count_packets(*pair.server), 1U);
  write();
  pair.now += 1ms;
  ASSERT_EQ(pair.count_packets(*pair.server), 0U) << "the next packet's time has not come";
  ASSERT_GT(pair.count_packets(*pair.client), 0U);
  EXPECT_EQ(pair.count_packets(*pair.server), 0U);
  EXPECT_EQ(pair.count_packets_later(*pair.server), 1U);
  pair.request(pair.client_connection());
  ASSERT_GT(pair.count_packets(*pair.client), 0U);
  EXPECT_EQ(pair.count_packets(*pair.server), 0U) << "also after one that went alone";
}

TEST(Acknowledgement, WaitsWhereThePeerTakesNoMoreData) {
  AskingPair pair(
      [](EndpointOptions&, EndpointOptions& client) { client.transport.initial_max_data_bytes = 1'000; });
  pair.client_observer.consumes = false;
  pair.answer_with([](Connection& connection, Stream& stream) {
    connection.streams().write_copy(stream, std::vector<std::uint8_t>(10'000, 1), Fin::kYes);
  });
  pair.ask();
  ASSERT_EQ(pair.count_packets(*pair.server), 1U);
  pair.travel();
  pair.ask();
  EXPECT_EQ(pair.count_packets(*pair.server), 0U);
  EXPECT_EQ(pair.count_packets_later(*pair.server), 1U);
}

}  // namespace
}  // namespace knul::quic
