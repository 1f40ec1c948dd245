// What acknowledges travels with what is sent anyway (RFC 9000 §13.2.1).
#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

// A pair whose server answers each request, and which counts packets by direction.
struct CountingPair : EndpointPair {
  CountingPair() {
    server_observer.on_data = [](Connection& connection, Stream& stream, bool is_fin) {
      if (is_fin)
        connection.write_copy(stream, bytes_of("answer"), true);
    };
    shake_hands();
    advance(std::chrono::seconds(2));  // stream credit and probes of the path are out of the way
    drops = [this](std::span<const std::uint8_t>, bool is_from_client) {
      ++(is_from_client ? from_client : from_server);
      return false;
    };
  }

  void request(Connection& from) {
    Stream& stream = **from.open_stream(true);
    from.write_copy(stream, bytes_of("request"), true);
  }

  int from_client = 0, from_server = 0;
};

TEST(Acknowledgement, OfARequestTravelsWithItsAnswer) {
  CountingPair pair;
  pair.request(pair.client_connection());
  pair.run();
  EXPECT_EQ(pair.client_observer.finished.size(), 1U);
  EXPECT_EQ(pair.from_server, 1);
  EXPECT_EQ(pair.from_client, 2);  // the request, and what acknowledges the answer
}

TEST(Acknowledgement, OfAnAnswerTravelsWithTheNextRequest) {
  constexpr int kRequests = 10;
  CountingPair pair;
  int left = kRequests - 1;
  pair.client_observer.on_data = [&](Connection& connection, Stream&, bool is_fin) {
    if (is_fin && left-- > 0)
      pair.request(connection);
  };
  pair.request(pair.client_connection());
  pair.run();
  EXPECT_EQ(pair.client_observer.finished.size(), std::size_t{kRequests});
  EXPECT_EQ(pair.from_server, kRequests);
  EXPECT_EQ(pair.from_client, kRequests + 1);
}

TEST(Acknowledgement, OfARequestTravelsWithADatagram) {
  CountingPair pair;
  pair.server_observer.on_data = [](Connection& connection, Stream&, bool is_fin) {
    if (is_fin) {
      EXPECT_TRUE(connection.send_datagram(bytes_of("answer")));
    }
  };
  pair.request(pair.client_connection());
  pair.run();
  EXPECT_EQ(pair.client_observer.datagrams.size(), 1U);
  EXPECT_EQ(pair.from_server, 1);
}

TEST(Acknowledgement, IsSentAloneWhereNothingElseIs) {
  CountingPair pair;
  pair.server_observer.on_data = {};
  pair.request(pair.client_connection());
  pair.advance(std::chrono::milliseconds(30));  // longer than it may be put off
  EXPECT_EQ(pair.from_client, 1);
  EXPECT_EQ(pair.from_server, 1);
}

}  // namespace
}  // namespace knul::quic
