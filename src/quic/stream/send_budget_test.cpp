#include "quic/stream/send_budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace knul::quic {
namespace {

constexpr std::uint64_t kAll = UINT64_MAX;

// Writes as a stream does: takes what there is room for, and waits for the rest.
std::uint64_t write(SendBudget& budget, SendBudget::Member& member, std::uint64_t wanted, base::Instant now) {
  const std::uint64_t taken = std::min(wanted, budget.room_of(member));
  budget.take(member, taken, now);
  if (taken < wanted) {
    budget.wait_for_room(member);
  }
  return taken;
}

struct Shared {
  SendBudget budget{100, 10};
  SendBudget::Member holder, first, second, third;
  base::Instant now{};

  std::uint64_t take(SendBudget::Member& member, std::uint64_t wanted) {
    return write(budget, member, wanted, now);
  }
  void release(std::uint64_t bytes) { budget.release(holder, bytes); }
  // The holder has all memory; the first and the second wait for all of it.
  void use_up_and_wait() {
    take(holder, 100);
    take(first, kAll);
    take(second, kAll);
  }
  SendBudget::Member* begin_turn() { return budget.begin_turn(now); }
  void begin_round() { now += SendBudget::kRound; }
};

TEST(SendBudget, GivesAllToOneWhileNobodyWaits) {
  Shared all;
  EXPECT_EQ(all.take(all.holder, kAll), 100U);
}

TEST(SendBudget, GivesNothingToOthersWhileSomebodyWaits) {
  Shared all;
  all.take(all.holder, 95);
  all.take(all.first, 10);
  all.release(50);
  EXPECT_EQ(all.budget.room_of(all.holder), 0U);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
  EXPECT_EQ(all.budget.room_of(all.second), 0U);
}

TEST(SendBudget, GivesTurnsInTheOrderInWhichTheyBeganToWait) {
  Shared all;
  all.take(all.holder, kAll);
  all.take(all.first, kAll);
  all.take(all.second, kAll);
  all.take(all.first, kAll);
  for (SendBudget::Member* const expected : {&all.holder, &all.first, &all.second, &all.holder}) {
    EXPECT_EQ(all.begin_turn(), nullptr);
    all.release(10);
    ASSERT_EQ(all.begin_turn(), expected);
    EXPECT_EQ(all.take(*expected, kAll), 10U);
  }
}

TEST(SendBudget, BeginsNoTurnForLessThanItsLeast) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.release(9);
  EXPECT_EQ(all.begin_turn(), nullptr);
  all.release(1);
  EXPECT_EQ(all.begin_turn(), &all.first);
}

TEST(SendBudget, GivesAtMostFourTimesTheLeastAtOnce) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, kAll);
  all.release(100);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.take(all.first, kAll), 100U);  // no other waits
  all.take(all.first, kAll);
  all.take(all.second, kAll);
  all.budget.release(all.first, 100);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.take(all.first, kAll), 40U);
}

// Room promised to one member is not offered to another before the next round.
TEST(SendBudget, KeepsWhatItHasPromised) {
  Shared all;
  all.take(all.holder, 100);
  for (SendBudget::Member* const member : {&all.first, &all.second, &all.third}) {
    all.take(*member, kAll);
  }
  all.release(60);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.begin_turn(), nullptr);
  EXPECT_EQ(all.budget.room_of(all.first), 40U);
  EXPECT_EQ(all.budget.room_of(all.second), 20U);
  EXPECT_EQ(all.take(all.second, 20), 20U);
  EXPECT_EQ(all.budget.next_round_at(), all.now + SendBudget::kRound);
  all.begin_round();
  EXPECT_EQ(all.begin_turn(), &all.third);
  EXPECT_EQ(all.budget.room_of(all.third), 40U);
  EXPECT_EQ(all.budget.next_round_at(), base::kNever);
}

TEST(SendBudget, KeepsItsPromiseWhenNobodyWaitsAnyMore) {
  Shared all;
  all.use_up_and_wait();
  all.release(60);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.budget.room_of(all.third), 0U);
  EXPECT_EQ(all.take(all.first, kAll), 40U);
  EXPECT_EQ(all.take(all.second, kAll), 20U);
}

TEST(SendBudget, GivesToOthersWhatIsGivenUpOfATurn) {
  Shared all;
  all.use_up_and_wait();
  all.release(45);
  EXPECT_EQ(all.begin_turn(), &all.first);
  all.take(all.first, 35);
  all.budget.wait_for_room(all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.budget.room_of(all.second), 10U);
}

TEST(SendBudget, NeedsNoRoundWhileTooLittleIsFree) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, kAll);
  all.release(9);
  EXPECT_EQ(all.budget.next_round_at(), base::kNever);
}

TEST(SendBudget, LeavesATurnToWhoWritesAfterTheNextBeganToWait) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.release(20);
  ASSERT_EQ(all.begin_turn(), &all.first);
  all.take(all.second, 30);
  all.release(40);
  EXPECT_EQ(all.budget.room_of(all.first), 20U);
  EXPECT_EQ(all.take(all.first, 5), 5U);
  EXPECT_EQ(all.budget.room_of(all.first), 15U);
}

TEST(SendBudget, TakesWhatIsLeftOfATurnFromWhoWaitsAgain) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.release(20);
  ASSERT_EQ(all.begin_turn(), &all.first);
  all.budget.take(all.holder, 20, all.now);
  all.take(all.first, 1);
  all.release(30);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
}

TEST(SendBudget, IsNotWaitedForByWhoIsGone) {
  Shared all;
  std::optional<SendBudget::Member> goner(std::in_place);
  all.take(all.holder, 95);
  all.take(*goner, 6);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
  all.budget.release(*goner, goner->held_bytes());
  goner.reset();
  all.release(5);
  EXPECT_EQ(all.begin_turn(), nullptr);
  EXPECT_EQ(all.budget.room_of(all.first), 10U);
}

// 1,000 bytes, in turns of at least 10.
struct Shares {
  Shares() {
    for (SendBudget::Source& source : sources) {
      for (SendBudget::Member& member : members[&source]) {
        member.set_source(source);
      }
    }
  }
  SendBudget::Member& member(std::size_t source, std::size_t index = 0) {
    return members[&sources[source]][index];
  }
  std::uint64_t take(SendBudget::Member& member, std::uint64_t wanted) {
    return write(budget, member, wanted, now);
  }
  // Takes until no more is given.
  std::uint64_t take_all(SendBudget::Member& member) {
    while (take(member, kAll) > 0) {
    }
    return member.held_bytes();
  }
  // The first `count` connections of a source take its whole share.
  void use_share_of_source(std::size_t source, std::size_t count) {
    for (int round = 0; round < 20; ++round) {
      for (std::size_t i = 0; i < count; ++i) {
        take(member(source, i), 40);
      }
    }
  }
  // Makes the memory short.
  void use_most() { budget.take(client, 800, now); }
  SendBudget::Member* find_stalled() {
    return budget.find_stalled(now, [](const SendBudget::Member&, base::Duration) { return true; });
  }

  SendBudget budget{1'000, 10};
  SendBudget::Member client;  // without a source
  std::array<SendBudget::Source, 8> sources;
  std::map<SendBudget::Source*, std::array<SendBudget::Member, 40>> members;
  base::Instant now{std::chrono::hours(1)};
};

TEST(SendBudget, LeavesAsMuchFreeAsAConnectionHolds) {
  Shares all;
  EXPECT_NEAR(static_cast<double>(all.take_all(all.member(0))), 938 / 2, 2);
  EXPECT_NEAR(static_cast<double>(all.take_all(all.member(1))), 938 / 4, 2);
  EXPECT_NEAR(static_cast<double>(all.take_all(all.member(2))), 938 / 8, 2);
  EXPECT_GE(all.budget.room_of(all.member(3)), 50U) << "something is left for who comes";
}

TEST(SendBudget, LeavesDatagramsToWhoseStreamsHoldAllThatTheyMay) {
  Shares all;
  all.take_all(all.member(0));
  ASSERT_EQ(all.budget.room_of(all.member(0)), 0U);
  EXPECT_GE(all.budget.room_for_datagrams(all.member(0), 0), 200U);
}

TEST(SendBudget, SharesWhatIsFreeAmongDatagrams) {
  Shares all;
  std::array<std::uint64_t, 40> held{};
  std::uint64_t all_held = 0;
  for (std::size_t i = 0; i < 2 * held.size(); ++i) {  // four addresses, in pieces
    SendBudget::Member& member = all.member(i % 4, i / 4 % 10);
    std::uint64_t& own = held[i % held.size()];
    const std::uint64_t taken = all.budget.room_for_datagrams(member, own);
    all.budget.take_for_datagram(member, taken, all.now);
    own += taken;
    all_held += taken;
    EXPECT_EQ(own, member.held_bytes());
  }
  EXPECT_LT(all_held, 1'000U);
  EXPECT_GT(all.budget.room_of(all.member(7)), 0U) << "a newcomer's streams have some";
}

TEST(SendBudget, LeavesATurnWholeThatDatagramsAreSentIn) {
  Shared all;
  all.use_up_and_wait();
  all.release(20);
  ASSERT_EQ(all.begin_turn(), &all.first);
  const std::uint64_t room = all.budget.room_of(all.first);
  all.budget.take_for_datagram(all.first, 2, all.now);
  EXPECT_EQ(all.budget.room_of(all.first), std::min<std::uint64_t>(room, 18));
  EXPECT_EQ(all.budget.room_of(all.second), 0U);
}

// In any order, without a release.
TEST(SendBudget, LeavesEnoughWhereItTakesManyConnectionsToHaveAll) {
  constexpr std::uint64_t kMiB = 1 << 20;
  SendBudget budget(512 * kMiB, kMiB / 4, base::fair_share::parts_of(512 * kMiB, 16 * kMiB));
  std::array<SendBudget::Source, 200> sources;
  std::array<SendBudget::Member, 200> members;
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i].set_source(sources[i]);
    const std::uint64_t room = budget.room_of(members[i]);
    if (i == 70) {
      EXPECT_GE(room, kMiB) << "after 70 of them";
    }
    EXPECT_GE(room, kMiB / 16) << "after " << i << " of them";
    budget.take(members[i], room, {});
  }
}

TEST(SendBudget, LeavesAnEighthFreeForOtherAddressesThanOne) {
  Shares all;
  all.use_share_of_source(0, 40);
  std::uint64_t held = 0;
  for (const SendBudget::Member& member : all.members[&all.sources[0]]) {
    held += member.held_bytes();
  }
  EXPECT_GE(held, 840U);
  EXPECT_LE(held, 875U + 40 * 2) << "and the little that each connection may always have";
  EXPECT_EQ(all.budget.begin_turn(all.now), nullptr) << "who waits at its address's share has no turn";
  EXPECT_GE(all.take(all.member(1), kAll), 20U) << "and keeps nobody else from what is free";
}

TEST(SendBudget, GivesALittleToWhoComesFromAnAddressAtItsShare) {
  Shares all;
  all.use_share_of_source(0, 39);
  EXPECT_EQ(all.budget.room_of(all.member(0, 39)), 2U) << "of a turn of 10";
  EXPECT_EQ(all.take(all.member(0, 39), 40), 2U);
  EXPECT_EQ(all.take(all.member(0, 39), 40), 0U);
}

TEST(SendBudget, KeepsALittleForOtherAddressesThanOneAtItsShare) {
  Shares all;
  all.budget.take(all.member(0, 0), 300, all.now);
  all.budget.take(all.client, 1'000 - 300 - 1'000 / 32, all.now);
  EXPECT_EQ(all.budget.room_of(all.member(0, 1)), 0U);
  EXPECT_EQ(all.budget.room_of(all.member(1)), 2U);
}

TEST(SendBudget, LetsNobodyWaitForAnAddressAtItsShare) {
  Shares all;
  all.budget.take(all.member(0, 0), 880, all.now);
  all.budget.wait_for_room(all.member(0, 1));
  EXPECT_GT(all.budget.room_of(all.member(1)), 0U);
  EXPECT_EQ(all.budget.begin_turn(all.now), nullptr);
}

// It was below its share when it began to wait.
TEST(SendBudget, GivesNoTurnToAnAddressThatHasComeToItsShare) {
  Shares all;
  all.budget.take(all.client, 995, all.now);
  all.budget.wait_for_room(all.member(0, 1));
  all.budget.wait_for_room(all.member(1));
  all.budget.release(all.client, 995);
  all.budget.take(all.member(0, 0), 880, all.now);
  EXPECT_EQ(all.budget.begin_turn(all.now), &all.member(1));
  EXPECT_EQ(all.budget.begin_turn(all.now + SendBudget::kRound), nullptr);
}

TEST(SendBudget, GivesNoTurnToAConnectionThatHasComeToItsShare) {
  Shares all;
  all.budget.take(all.client, 995, all.now);
  all.budget.wait_for_room(all.member(0, 0));
  all.budget.wait_for_room(all.member(0, 1));
  all.budget.release(all.client, 995);
  all.budget.take(all.member(0, 0), 600, all.now);
  EXPECT_EQ(all.budget.begin_turn(all.now), &all.member(0, 1));
  EXPECT_EQ(all.budget.begin_turn(all.now + SendBudget::kRound), nullptr);
}

TEST(SendBudget, IsWatchedWhileSomebodyWaitsHoweverMuchIsFree) {
  Shares all;
  all.budget.take(all.client, 995, all.now);
  all.budget.wait_for_room(all.member(0));
  all.budget.release(all.client, 995);
  EXPECT_TRUE(all.budget.watch(all.now));
  EXPECT_EQ(all.budget.begin_turn(all.now), &all.member(0));
  EXPECT_FALSE(all.budget.watch(all.now));
}

TEST(SendBudget, IsWatchedWhileAnAddressWaitsForItsShareHoweverMuchIsFree) {
  Shares all;
  all.budget.take(all.member(0, 0), 500, all.now);
  all.budget.take(all.client, 480, all.now);
  all.budget.wait_for_room(all.member(0, 1));
  all.budget.release(all.client, 480);
  EXPECT_TRUE(all.budget.watch(all.now));
  EXPECT_EQ(all.budget.begin_turn(all.now), nullptr);
  EXPECT_TRUE(all.budget.watch(all.now + SendBudget::kTick));
  EXPECT_EQ(all.budget.begin_turn(all.now + SendBudget::kTick), &all.member(0, 1));
}

TEST(SendBudget, GivesAnAddressAtItsShareATurnWhenSomeOfItsOwnIsReleased) {
  Shares all;
  all.use_share_of_source(0, 40);
  std::size_t released = 0;
  while (all.budget.begin_turn(all.now) == nullptr && released < 40) {
    SendBudget::Member& member = all.member(0, released++);
    all.budget.release(member, member.held_bytes());
  }
  EXPECT_GT(released, 0U);
  EXPECT_LT(released, 40U);
}

TEST(SendBudget, GivesTurnsToAddressesAndNotToConnections) {
  Shares all;
  for (std::size_t source = 0; source < 8; ++source) {
    for (std::size_t i = 0; i < 40; ++i) {
      all.take(all.member(source, i), 4);  // they want 1,280 together
    }
  }
  const std::size_t waiting = 6;
  for (std::size_t i = 0; i < 30; ++i) {
    all.budget.wait_for_room(all.member(waiting, i));
  }
  all.budget.wait_for_room(all.member(waiting + 1));
  for (std::size_t i = 0; i < 5; ++i) {
    all.budget.release(all.member(i, 0), 4);
  }
  std::vector<SendBudget::Member*> turns;
  for (int i = 0; i < 2; ++i) {
    all.now += SendBudget::kRound;
    turns.push_back(all.budget.begin_turn(all.now));
  }
  EXPECT_EQ(std::ranges::count(turns, &all.member(waiting + 1)), 1);
}

TEST(SendBudget, LetsWhoIsAtItsShareGoOnWhenOthersHaveLeft) {
  Shares all;
  all.take_all(all.member(0));
  const std::uint64_t before = all.take_all(all.member(1));
  EXPECT_TRUE(all.budget.watch(all.now));
  all.budget.release(all.member(0), all.member(0).held_bytes());
  EXPECT_EQ(all.budget.begin_turn(all.now), nullptr);
  EXPECT_LE(all.budget.next_round_at(), all.now + SendBudget::kTick);
  all.now += SendBudget::kTick;
  std::ignore = all.budget.watch(all.now);
  EXPECT_NE(all.budget.begin_turn(all.now), nullptr);
  std::ignore = all.budget.begin_turn(all.now);
  EXPECT_GT(all.take_all(all.member(1)), before);
}

TEST(SendBudget, FindsTheLargestOfThoseThatMakeNoProgress) {
  Shares all;
  all.use_most();
  all.take(all.member(0), 20);
  all.take(all.member(1), 50);
  all.take(all.member(2), 30);
  EXPECT_EQ(all.find_stalled(), nullptr);
  all.now += SendBudget::kShortestStall;
  all.budget.note_progress(all.member(1), all.now);
  all.budget.note_progress(all.client, all.now);
  EXPECT_EQ(all.find_stalled(), &all.member(2));
  all.budget.release(all.member(2), 30);
  EXPECT_EQ(all.find_stalled(), &all.member(0));
  all.budget.release(all.member(0), 20);
  EXPECT_EQ(all.find_stalled(), nullptr);
}

TEST(SendBudget, FindsNobodyForWhomThereIsHope) {
  Shares all;
  all.use_most();
  all.take(all.member(0), 50);
  all.take(all.member(1), 30);
  all.now += SendBudget::kShortestStall;
  all.budget.note_progress(all.client, all.now);
  base::Duration told{};
  const auto find = [&](const SendBudget::Member* hopeless) {
    return all.budget.find_stalled(all.now, [&](const SendBudget::Member& member, base::Duration since) {
      told = since;
      return &member == hopeless;
    });
  };
  EXPECT_EQ(find(&all.member(1)), &all.member(1));
  EXPECT_EQ(told, SendBudget::kShortestStall);
  EXPECT_EQ(find(nullptr), nullptr);
}

// A search looks at up to a thousand members, so it does not run for every packet.
TEST(SendBudget, LooksForWhoHasStalledOnceATick) {
  Shares all;
  all.use_most();
  all.take(all.member(0), 50);
  all.now += SendBudget::kShortestStall;
  int looks = 0;
  const auto find = [&] {
    std::ignore = all.budget.find_stalled(all.now, [&](const SendBudget::Member&, base::Duration) {
      ++looks;
      return false;
    });
  };
  find();
  const int at_once = looks;
  EXPECT_GT(at_once, 0);
  find();
  EXPECT_EQ(looks, at_once);
  all.now += SendBudget::kTick;
  find();
  EXPECT_EQ(looks, 2 * at_once);
}

TEST(SendBudget, TimesProgressFromWhenAConnectionBeginsToHoldSome) {
  Shares all;
  all.take(all.member(0), 50);
  all.budget.release(all.member(0), 50);
  all.now += 10 * SendBudget::kShortestStall;
  all.take(all.member(0), 50);
  all.use_most();
  EXPECT_EQ(all.find_stalled(), nullptr);
  all.now += SendBudget::kShortestStall;
  all.budget.note_progress(all.client, all.now);
  EXPECT_EQ(all.find_stalled(), &all.member(0));
}

// A program may write long after the last call of its connection that had a time.
TEST(SendBudget, TimesProgressByTheLatestKnownTime) {
  Shares all;
  const base::Instant stale = all.now;
  all.now += std::chrono::hours(1);
  all.budget.note_time(all.now);
  all.budget.take(all.member(0), 100, stale);
  all.budget.take(all.client, 800, stale);
  EXPECT_EQ(all.find_stalled(), nullptr);
}

TEST(SendBudget, FindsNobodyWhileThereIsEnoughHoweverMuchOneWants) {
  Shares all;
  all.take_all(all.member(0));
  all.now += 100 * SendBudget::kShortestStall;
  std::ignore = all.budget.watch(all.now);
  EXPECT_EQ(all.find_stalled(), nullptr);
}

// The worker has not yet read what its peers sent meanwhile.
TEST(SendBudget, FindsNobodyRightAfterATurnOfTheLoopThatWasLong) {
  Shares all;
  all.take_all(all.member(0));
  all.take_all(all.member(1));
  all.take_all(all.member(2));
  ASSERT_TRUE(all.budget.watch(all.now));
  all.now += 2 * SendBudget::kShortestStall;
  ASSERT_TRUE(all.budget.watch(all.now));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(all.find_stalled(), nullptr) << i;
    all.now += SendBudget::kTick;
    ASSERT_TRUE(all.budget.watch(all.now));
  }
  EXPECT_EQ(all.find_stalled(), &all.member(0));
}

TEST(SendBudget, HasPlentyOnlyWhereItsRulesGiveAsMuch) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&random](std::uint64_t end) { return random() % end; };
  Shares all;
  unsigned plenty = 0;
  for (int step = 0; step < 100'000; ++step) {
    SendBudget::Member& member = all.member(below(8), below(40));
    if (below(100) == 0) {  // now and then use up all memory
      all.take_all(member);
    } else if (below(2) == 0) {
      all.take(member, below(50));
    } else {
      all.budget.release(member, below(member.held_bytes() + 1));
    }
    if (below(10) == 0) {
      all.now += SendBudget::kTick;
      std::ignore = all.budget.watch(all.now);
      std::ignore = all.budget.begin_turn(all.now);
    }
    const std::uint64_t bytes = below(300);
    const SendBudget::Member& other = all.member(below(8), below(40));
    if (all.budget.has_plenty_for(other, bytes)) {
      ++plenty;
      ASSERT_GE(all.budget.room_of(other), bytes) << "step " << step;
    }
    if (below(200) == 0) {  // all peers have acknowledged
      for (auto& [source, members] : all.members) {
        for (SendBudget::Member& holder : members) {
          all.budget.release(holder, holder.held_bytes());
        }
      }
      for (std::uint64_t turns = below(400); turns > 0; --turns) {
        all.now += below(20) == 0 ? SendBudget::kTick : base::Duration();
        std::ignore = all.budget.watch(all.now);
        std::ignore = all.budget.begin_turn(all.now);
      }
    }
  }
  EXPECT_GT(plenty, 100U);
}

}  // namespace
}  // namespace knul::quic
