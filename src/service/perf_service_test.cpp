#include "service/perf_service.hpp"

#include <gtest/gtest.h>

#include <string>

#include "service/fake_connection_test_support.hpp"
#include "service/service_codes.hpp"

namespace knul::service {
namespace {

using krepis::Fin;
using test_support::deliver;
using test_support::FakeConnection;

constexpr krepis::StreamId kStream = 0;
constexpr krepis::StreamId kUpload = 2;

std::string header(std::uint64_t bytes) {
  std::string text;
  for (int shift = 56; shift >= 0; shift -= 8) {
    text.push_back(static_cast<char>(bytes >> shift));
  }
  return text;
}

TEST(PerfService, SendsAsManyBytesAsTheHeaderSaysAndEnds) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, header(0x1'0203), Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 0x1'0203U);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST(PerfService, AnswersZeroBytesWithAnEmptyEnd) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, header(0), Fin::kYes);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
  EXPECT_EQ(connection.streams[kStream].sent, "");
}

TEST(PerfService, StartsTheAnswerBeforeTheUploadEndsAndEndsItAfterwards) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, header(10) + "upload");
  EXPECT_EQ(connection.streams[kStream].sent.size(), 10U);
  EXPECT_FALSE(connection.streams[kStream].has_fin);
  deliver(service, connection, kStream, "more", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 10U);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST(PerfService, EndsABlockedAnswerOnceTheUploadHasEnded) {
  PerfService service;
  FakeConnection connection;
  connection.streams[kStream].room = 4;
  deliver(service, connection, kStream, header(10));
  deliver(service, connection, kStream, "upload", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 4U);
  connection.streams[kStream].room = 6;
  service.on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 10U);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST(PerfService, JoinsAHeaderThatArrivesInPieces) {
  PerfService service;
  FakeConnection connection;
  const std::string text = header(300);
  for (const char byte : text) {
    EXPECT_EQ(connection.streams[kStream].sent.size(), 0U);
    deliver(service, connection, kStream, std::string(1, byte));
  }
  EXPECT_EQ(connection.streams[kStream].sent.size(), 300U);
}

TEST(PerfService, ConsumesEveryUploadedByte) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, header(0) + std::string(1'000, 'x'));
  deliver(service, connection, kStream, std::string(500, 'x'), Fin::kYes);
  deliver(service, connection, kUpload, "unidirectional", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].consumed, 1'508U);
  EXPECT_EQ(connection.streams[kUpload].consumed, 14U);
}

TEST(PerfService, GoesOnWhereAWriteStopped) {
  PerfService service;
  FakeConnection connection;
  const std::size_t total = 5 * PerfService::kChunkBytes + 17;
  connection.streams[kStream].room = 100'000;
  deliver(service, connection, kStream, header(total), Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 100'000U);
  EXPECT_FALSE(connection.streams[kStream].has_fin);
  connection.streams[kStream].room = total;
  service.on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent.size(), total);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST(PerfService, SendsOnlySharedBytes) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, header(3 * PerfService::kChunkBytes), Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].shared_writes, 3U);
}

TEST(PerfService, ResetsAStreamThatEndsInsideTheHeader) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, "1234567", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].reset_code, to_wire(ServiceCode::kPerfShortRequest));
}

TEST(PerfService, GivesUpTheAnswerAfterStopSending) {
  PerfService service;
  FakeConnection connection;
  connection.streams[kStream].room = 10;
  deliver(service, connection, kStream, header(1'000));
  service.on_stop_sending(connection.streams[kStream], 5);
  connection.streams[kStream].room = 1'000;
  service.on_stream_writable(connection.streams[kStream]);
  deliver(service, connection, kStream, "more", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 10U);
  EXPECT_EQ(connection.streams[kStream].consumed, 12U);
}

TEST(PerfService, AnswersAResetWithTheSameCode) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, "123");
  service.on_stream_reset(connection.streams[kStream], 77);
  EXPECT_EQ(connection.streams[kStream].reset_code, 77U);
}

TEST(PerfService, KeepsStreamsOfDifferentConnectionsApart) {
  PerfService service;
  FakeConnection one(1);
  FakeConnection two(2);
  deliver(service, one, kStream, header(5).substr(0, 7));
  deliver(service, two, kStream, header(9), Fin::kYes);
  deliver(service, one, kStream, header(5).substr(7), Fin::kYes);
  EXPECT_EQ(one.streams[kStream].sent.size(), 5U);
  EXPECT_EQ(two.streams[kStream].sent.size(), 9U);
}

TEST(PerfService, ForgetsAStreamThatClosed) {
  PerfService service;
  FakeConnection connection;
  deliver(service, connection, kStream, "123");
  service.on_stream_closed(connection.streams[kStream]);
  deliver(service, connection, kStream, header(4), Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent.size(), 4U);
}

}  // namespace
}  // namespace knul::service
