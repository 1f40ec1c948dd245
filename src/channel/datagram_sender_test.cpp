#include "channel/datagram_sender.hpp"

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

using Outcome = krepis::DatagramOutcome;

struct Datagrams {
  explicit Datagrams(Outcome outcome) { parts.connection.datagram_outcome = outcome; }
  void send(std::uint8_t byte, const krepis::DatagramOptions& options) {
    state.entry->queued += 1;  // as Channel::send_datagram counts it
    state.entry->held_bytes += 1;
    parts.core->server->writes.take(0, 1, 1);
    sender.send(state, std::span(&byte, 1), options);
  }
  void make_room() {
    parts.connection.datagram_outcome = Outcome::kQueued;
    sender.flush(state);
  }

  BareWorker parts;
  DatagramSender sender{*parts.core, parts.events};
  ConnectionState& state = parts.add_connection(parts.connection);
};

TEST(DatagramSender, KeepsInOrderWhatIsBlocked) {
  Datagrams datagrams(Outcome::kBlocked);
  datagrams.send(1, {.policy = krepis::DatagramPolicy::kBlock});
  datagrams.parts.connection.datagram_outcome = Outcome::kQueued;
  datagrams.send(2, {.policy = krepis::DatagramPolicy::kBlock});
  EXPECT_TRUE(datagrams.parts.connection.datagrams.empty()) << "the first is not gone yet";
  datagrams.make_room();
  EXPECT_EQ(datagrams.parts.connection.datagrams, (std::vector<std::uint8_t>{1, 2}));
}

TEST(DatagramSender, LetsADatagramOfAnotherPolicyPassThoseThatAreBlocked) {
  Datagrams datagrams(Outcome::kBlocked);
  datagrams.send(1, {.policy = krepis::DatagramPolicy::kBlock});
  datagrams.parts.connection.datagram_outcome = Outcome::kQueued;
  datagrams.send(2, {.policy = krepis::DatagramPolicy::kDropNewest});
  datagrams.make_room();
  EXPECT_EQ(datagrams.parts.connection.datagrams, (std::vector<std::uint8_t>{2, 1}));
}

TEST(DatagramSender, ReportsADroppedDatagramIfItsFateWasRequested) {
  Datagrams datagrams(Outcome::kDropped);
  datagrams.send(1, {.reports_fate = false, .context = 1});
  EXPECT_EQ(datagrams.parts.events.backlog(), 0U);
  datagrams.send(2, {.reports_fate = true, .context = 2});
  ASSERT_EQ(datagrams.parts.events.backlog(), 1U);
  EXPECT_EQ(datagrams.parts.events.find_unpublished(0)->value, 2U);
}

TEST(DatagramSender, ReportsRoomOnceNoDatagramIsBlocked) {
  Datagrams datagrams(Outcome::kBlocked);
  datagrams.send(1, {.policy = krepis::DatagramPolicy::kBlock});
  datagrams.sender.request_writable(datagrams.state);
  EXPECT_EQ(datagrams.parts.events.backlog(), 0U);
  datagrams.make_room();
  datagrams.sender.flush(datagrams.state);
  EXPECT_EQ(datagrams.parts.events.backlog(), 1U);
}

}  // namespace
}  // namespace knul::channel
