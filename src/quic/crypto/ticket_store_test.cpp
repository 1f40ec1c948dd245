#include "quic/crypto/ticket_store.hpp"

#include <gtest/gtest.h>

namespace knul::quic {
namespace {

using Session = std::vector<std::uint8_t>;

TEST(TicketStore, HasNothingForAnUnknownName) {
  TicketStore store;
  store.put("a.test", Session{1});
  EXPECT_EQ(store.take("b.test"), Session{});
}

TEST(TicketStore, GivesTheNewestFirstAndEachOnceButTheLast) {
  TicketStore store;
  store.put("a.test", Session{1});
  store.put("a.test", Session{2});
  EXPECT_EQ(store.take("a.test"), Session{2});
  EXPECT_EQ(store.take("a.test"), Session{1});
  EXPECT_EQ(store.take("a.test"), Session{1});
}

TEST(TicketStore, DropsTheOldestSessionOfAFullName) {
  TicketStore store;
  for (std::size_t i = 0; i <= TicketStore::kMaxPerName; ++i) {
    store.put("a.test", Session{static_cast<std::uint8_t>(i)});
  }
  Session last;
  for (std::size_t i = 0; i <= TicketStore::kMaxPerName; ++i) {
    last = store.take("a.test");
  }
  EXPECT_EQ(last, Session{1});
}

TEST(TicketStore, ForgetsTheNameThatWasUsedLeastRecently) {
  TicketStore store;
  for (std::size_t i = 0; i < TicketStore::kMaxNames; ++i) {
    store.put(std::to_string(i), Session{1});
  }
  EXPECT_EQ(store.take("0"), Session{1});  // used: "1" is now the next to be dropped
  store.put("one more", Session{2});
  EXPECT_EQ(store.take("1"), Session{});
  EXPECT_EQ(store.take("0"), Session{1});
  EXPECT_EQ(store.take("one more"), Session{2});
}

}  // namespace
}  // namespace knul::quic
