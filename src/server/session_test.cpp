#include "server/session.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "server/core_pair_test_support.hpp"

namespace knul::server {
namespace {

using krepis::Fin;
using krepis::Stream;
using krepis::StreamDirection;
using krepis::StreamId;
using namespace std::chrono_literals;

void answer(Stream& stream) { stream.write(quic::bytes_of("answer"), Fin::kYes); }

std::set<StreamId> open_streams(krepis::Connection& connection) {
  std::set<StreamId> ids;
  connection.for_each_stream([&](const Stream& stream) { ids.insert(stream.id()); });
  return ids;
}

TEST(Session, KeepsTheWordOfAStreamFromItsFirstEventToItsLast) {
  CorePair pair;
  int word = 0;
  std::vector<void*> seen;
  pair.server_record.on_opened = [&](Stream& stream) {
    seen.push_back(stream.user());
    stream.set_user(&word);
  };
  pair.server_record.on_data = [&](Stream& stream, Fin) {
    seen.push_back(stream.user());
    answer(stream);
  };
  pair.server_record.on_closed = [&](Stream& stream) { seen.push_back(stream.user()); };
  pair.shake_hands();
  pair.send_request("question");
  pair.advance(1s);
  EXPECT_EQ(seen, (std::vector<void*>{nullptr, &word, &word}));
}

TEST(Session, KeepsTheWordOfAConnectionUntilItHasClosed) {
  CorePair pair;
  int word = 0;
  void* last = nullptr;
  pair.server_record.on_connection_closed = [&](krepis::Connection& connection) { last = connection.user(); };
  pair.shake_hands();
  EXPECT_EQ(pair.server_record.connection->user(), nullptr);
  pair.server_record.connection->set_user(&word);
  pair.send_request("question");
  pair.advance(100ms);
  pair.client_record.connection->close(0, "");
  pair.advance(100ms);
  EXPECT_EQ(last, &word);
}

TEST(Session, HasAWordForEachStreamOfEachConnection) {
  CorePair pair;
  std::map<std::pair<std::uint64_t, StreamId>, int> words;
  pair.server_record.on_opened = [&](Stream& stream) {
    stream.set_user(&words[{stream.connection().id(), stream.id()}]);
  };
  pair.server_record.on_data = [&](Stream& stream, Fin) { ++*static_cast<int*>(stream.user()); };
  for (int connection = 0; connection < 2; ++connection) {
    pair.shake_hands();
    pair.send_request("one");
    pair.send_request("two");
    pair.advance(100ms);
  }
  ASSERT_EQ(words.size(), 4U);
  for (const auto& [ids, count] : words) {
    EXPECT_EQ(count, 1) << ids.first << " " << ids.second;
  }
}

TEST(Session, GivesTheEventsOfAnOpenedStreamTheSameObject) {
  CorePair pair;
  pair.server_record.on_data = [](Stream& stream, Fin) { answer(stream); };
  Stream* receiver = nullptr;
  pair.client_record.on_data = [&](Stream& stream, Fin) { receiver = &stream; };
  pair.shake_hands();
  krepis::Connection& connection = *pair.client_record.connection;
  Stream& stream = **connection.open_stream(StreamDirection::kBidirectional);
  EXPECT_EQ(stream.user(), nullptr);
  EXPECT_EQ(&stream.connection(), &connection);
  EXPECT_EQ(stream.direction(), StreamDirection::kBidirectional);
  EXPECT_FALSE(stream.is_opened_by_server());
  stream.write(quic::bytes_of("question"), Fin::kYes);
  pair.run();
  EXPECT_EQ(receiver, &stream);
  Stream& other = **pair.server_record.connection->open_stream(StreamDirection::kUnidirectional);
  EXPECT_EQ(other.direction(), StreamDirection::kUnidirectional);
  EXPECT_TRUE(other.is_opened_by_server());
}

TEST(Session, FindsAStreamUntilItHasClosed) {
  CorePair pair;
  bool is_found = false;
  bool is_found_at_its_end = false;
  const auto finds = [](Stream& stream) { return stream.connection().find_stream(stream.id()) == &stream; };
  pair.server_record.on_data = [&](Stream& stream, Fin) {
    is_found = finds(stream);
    answer(stream);
  };
  pair.server_record.on_closed = [&](Stream& stream) { is_found_at_its_end = finds(stream); };
  pair.shake_hands();
  const StreamId id = pair.send_request("question");
  krepis::Connection& connection = *pair.server_record.connection;
  EXPECT_EQ(connection.find_stream(id), nullptr) << "the server has not seen it";
  pair.advance(1s);
  EXPECT_TRUE(is_found);
  EXPECT_TRUE(is_found_at_its_end);
  EXPECT_EQ(connection.find_stream(id), nullptr) << "it has ended";
}

TEST(Session, ReportsNothingMoreOfARefusedStream) {
  CorePair pair;
  pair.server_record.on_opened = [](Stream& stream) {
    stream.retain();  // has no effect in the end
    krepis::Connection& connection = stream.connection();
    const StreamId id = stream.id();
    stream.refuse(9);
    EXPECT_EQ(connection.find_stream(id), nullptr);
    EXPECT_TRUE(open_streams(connection).empty());
  };
  pair.server_record.on_data = [](Stream&, Fin) { ADD_FAILURE(); };
  pair.shake_hands();
  pair.send_request("question", Fin::kNo);
  pair.advance(1s);
  EXPECT_EQ(pair.client_record.resets, std::vector<std::uint64_t>{9});
  EXPECT_EQ(pair.client_record.stops, std::vector<std::uint64_t>{9});
  EXPECT_TRUE(pair.server_record.closed.empty());
  EXPECT_EQ(pair.server_counters.streams_refused.load(), 1U);
  EXPECT_EQ(pair.server_counters.streams_active.load(), 0U);
}

// Its refusal sends nothing, so the rest of the datagram is not stopped.
TEST(Session, ReportsNothingMoreOfAStreamThatIsRefusedAfterTheEndOfItsConnection) {
  CorePair pair;
  pair.server_record.on_opened = [](Stream& stream) {
    stream.connection().close(1, "enough");
    stream.refuse(9);
  };
  pair.server_record.on_data = [](Stream&, Fin) { ADD_FAILURE(); };
  pair.shake_hands();
  pair.send_request("question");
  pair.advance(1s);
  EXPECT_EQ(pair.server_record.opened.size(), 1U);
  EXPECT_EQ(pair.server_record.connections_closed.size(), 1U);
}

// A server whose program retains its streams, with the streams of two requests that have ended otherwise.
struct Retaining : CorePair {
  Retaining() {
    server_record.on_opened = [this](Stream& stream) {
      stream.retain();
      streams.push_back(&stream);
    };
    server_record.on_data = [](Stream& stream, Fin) { answer(stream); };
    shake_hands();
    send_request("one");
    send_request("two");
    advance(1s);
    EXPECT_EQ(client_record.closed.size(), 2U);
    EXPECT_TRUE(server_record.closed.empty());
  }
  std::vector<Stream*> streams;
};

TEST(Session, ClosesARetainedStreamWhenItIsReleased) {
  Retaining pair;
  ASSERT_EQ(pair.streams.size(), 2U);
  EXPECT_EQ(pair.streams[1]->connection().find_stream(pair.streams[1]->id()), pair.streams[1]);
  const StreamId id = pair.streams[1]->id();
  pair.streams[1]->release();
  EXPECT_EQ(pair.server_record.closed, std::vector<StreamId>{id});
}

TEST(Session, VisitsEveryStreamThoughTheVisitEndsThem) {
  Retaining pair;
  int visits = 0;
  pair.server_record.connection->for_each_stream([&](Stream& stream) {
    ++visits;
    stream.release();
  });
  EXPECT_EQ(visits, 2);
  EXPECT_EQ(pair.server_record.closed.size(), 2U);
}

TEST(Session, DoesNothingToStreamsOfAConnectionThatIsClosing) {
  Retaining pair;
  pair.server_record.on_opened = nullptr;
  pair.server_record.on_data = nullptr;
  pair.send_request("three");
  pair.advance(100ms);
  krepis::Connection& connection = *pair.server_record.connection;
  Stream& open = *connection.find_stream(8);
  connection.close(7, "enough");
  EXPECT_EQ(open.write(quic::bytes_of("late"), Fin::kYes), 0U);
  EXPECT_EQ(open.writable_bytes(), 0U);
  open.reset(1);
  open.stop_sending(2);
  open.consume(1'000);
  pair.streams[0]->release();
  EXPECT_FALSE(connection.open_stream(StreamDirection::kBidirectional).has_value());
  EXPECT_TRUE(pair.server_record.closed.empty());
  EXPECT_EQ(open_streams(connection), (std::set<StreamId>{0, 4, 8}));
}

// Otherwise their states would be lost.
TEST(Session, ShowsTheStreamsThatEndWithTheirConnection) {
  Retaining pair;
  std::vector<std::unique_ptr<int>> words;
  for (Stream* const stream : pair.streams) {
    stream->set_user(words.emplace_back(std::make_unique<int>(0)).get());
  }
  pair.server_record.on_connection_closed = [&](krepis::Connection& connection) {
    connection.for_each_stream([&](Stream& stream) {
      ++*static_cast<int*>(stream.user());
      stream.release();
      stream.consume(1);
    });
    EXPECT_NE(connection.find_stream(pair.streams[0]->id()), nullptr);
  };
  pair.client_record.connection->close(0, "");
  pair.advance(1s);
  EXPECT_EQ(pair.server_record.connections_closed.size(), 1U);
  EXPECT_TRUE(pair.server_record.closed.empty());
  EXPECT_EQ(*words.at(0), 1);
  EXPECT_EQ(*words.at(1), 1);
}

TEST(Session, DoesNotShowAStreamThatTheDrainRefused) {
  CorePair pair;
  pair.shake_hands();
  const StreamId known = pair.send_request("question", Fin::kNo);
  pair.advance(10ms);
  pair.server->begin_drain(pair.now, pair.now + 5s);
  pair.send_request("too late", Fin::kNo);
  pair.carry(*pair.client, *pair.server);
  EXPECT_EQ(pair.server_counters.streams_refused.load(), 1U);
  EXPECT_EQ(open_streams(*pair.server_record.connection), std::set<StreamId>{known});
}

}  // namespace
}  // namespace knul::server
