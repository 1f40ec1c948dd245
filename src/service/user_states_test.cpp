#include "service/user_states.hpp"

#include <gtest/gtest.h>

#include "service/fake_connection_test_support.hpp"

namespace knul::service {
namespace {

using test_support::FakeConnection;

struct Counted {
  Counted() { ++living; }
  Counted(const Counted& other) : value(other.value) { ++living; }
  Counted& operator=(const Counted&) = default;
  ~Counted() { --living; }

  static inline int living = 0;
  int value = 0;
};
using States = UserStates<krepis::Stream, Counted>;

TEST(UserStates, CreateAStateAtTheFirstCallAndFindItAgain) {
  FakeConnection connection;
  krepis::Stream& stream = connection.streams[0];
  States states;
  EXPECT_EQ(States::find(stream), nullptr);
  Counted& state = states.of(stream);
  EXPECT_EQ(States::find(stream), &state);
  EXPECT_EQ(&states.of(stream), &state);
  EXPECT_EQ(states.size(), 1U);
}

TEST(UserStates, KeepTheStatesOfOthersWhenOneIsErased) {
  constexpr krepis::StreamId kStreams = 10;
  FakeConnection connection;
  States states;
  for (krepis::StreamId id = 0; id < kStreams; ++id) {
    states.of(connection.streams[id]).value = static_cast<int>(id);
  }
  for (const krepis::StreamId erased : {0U, 9U, 4U, 5U, 1U}) {
    states.erase(connection.streams[erased]);
    states.erase(connection.streams[erased]);
    EXPECT_EQ(States::find(connection.streams[erased]), nullptr);
  }
  EXPECT_EQ(states.size(), 5U);
  for (const krepis::StreamId id : {2U, 3U, 6U, 7U, 8U}) {
    EXPECT_EQ(States::find(connection.streams[id])->value, static_cast<int>(id));
  }
}

TEST(UserStates, GiveTheNextOwnerAStateLikeNew) {
  FakeConnection connection;
  States states;
  states.of(connection.streams[0]).value = 1;
  states.erase(connection.streams[0]);
  EXPECT_EQ(states.of(connection.streams[1]).value, 0);
}

TEST(UserStates, KeepTheMemoryOfAFewErasedStates) {
  constexpr krepis::StreamId kStreams = 3 * States::kMostSpare;
  FakeConnection connection;
  States states;
  for (krepis::StreamId id = 0; id < kStreams; ++id) {
    states.of(connection.streams[id]);
  }
  EXPECT_EQ(Counted::living, static_cast<int>(kStreams));
  erase_all(states, connection);
  EXPECT_EQ(states.size(), 0U);
  EXPECT_EQ(Counted::living, static_cast<int>(States::kMostSpare));
}

TEST(UserStates, OwnStatesThatNobodyErases) {
  FakeConnection connection;
  {
    States states;
    states.of(connection.streams[0]);
  }
  EXPECT_EQ(Counted::living, 0);
}

}  // namespace
}  // namespace knul::service
