#include <gtest/gtest.h>

#include <optional>

#include "udp/test_support.hpp"

namespace knul::udp {
namespace {

using namespace test_support;

class FaultySend : public ::testing::Test {
 protected:
  // Trains of `packets` each, with different sizes. Packet numbers continue from train to train.
  void fill(std::size_t trains, std::size_t packets) {
    for (std::size_t train = 0; train < trains; ++train) {
      for (std::size_t i = 0; i < packets; ++i) {
        append(batch_, path_, packet(next_number_++, 100 + 50 * train));
      }
    }
  }
  SendStatus send() { return sender_.send(batch_, cursor_, counters_).status; }

  // The numbers of the received packets, in the order of arrival.
  std::vector<std::size_t> arrived(std::size_t count) {
    std::vector<std::size_t> numbers;
    for (const Datagram& datagram : receive(receiver_, count, counters_)) {
      std::size_t number = 0;
      while (number < next_number_ && datagram.payload != packet(number, datagram.payload.size())) {
        ++number;
      }
      numbers.push_back(number);
    }
    EXPECT_FALSE(wait_readable(receiver_, 0)) << "more arrived than expected";
    return numbers;
  }
  using Numbers = std::vector<std::size_t>;

  RecordingLog log_;
  FaultyCalls calls_;
  stats::WorkerCounters counters_;
  UdpSocket sender_ = UdpSocket::open({.address = address("127.0.0.1")}, log_, calls_).value();
  UdpSocket receiver_ = UdpSocket::open({.address = address("127.0.0.1")}, log_).value();
  base::Path path_{sender_.local_address(), receiver_.local_address()};
  base::SendBatch batch_{base::SendBatch::Limits{}};
  SendCursor cursor_;
  std::size_t next_number_ = 0;
};

TEST_F(FaultySend, KeepsTheRemainderWhenTheSocketBufferIsFull) {
  fill(5, 1);
  calls_.send_limit = 2;
  calls_.send_errors = {0, EAGAIN};
  EXPECT_EQ(send(), SendStatus::kAwaitWritable);
  EXPECT_EQ(arrived(2), (Numbers{0, 1}));
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(3), (Numbers{2, 3, 4}));
  EXPECT_EQ(counters_.udp_send_would_block.load(), 1U);
  EXPECT_EQ(counters_.errors.load(), 0U);
}

TEST_F(FaultySend, NamesAPauseWhenTheKernelHasNoBuffers) {
  fill(1, 3);
  calls_.send_errors = {ENOBUFS};
  const SendResult result = sender_.send(batch_, cursor_, counters_);
  EXPECT_EQ(result.status, SendStatus::kRetryAfter);
  EXPECT_GT(result.retry_after, base::Duration{0});
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(3), (Numbers{0, 1, 2}));
}

TEST_F(FaultySend, DropsATrainThatIsTooLargeForThePathAndSendsTheOthers) {
  fill(3, 2);
  calls_.send_errors = {EMSGSIZE};
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(4), (Numbers{2, 3, 4, 5}));
  EXPECT_EQ(counters_.udp_packets_dropped_emsgsize.load(), 2U);
}

TEST_F(FaultySend, DropsADatagramThatTheKernelFindsTooLarge) {
  append(batch_, path_, packet(0, 65'508));
  fill(1, 1);
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(1), (Numbers{0}));
  EXPECT_EQ(counters_.udp_packets_dropped_emsgsize.load(), 1U);
  EXPECT_TRUE(sender_.features().gso);
}

class RefusedGso : public FaultySend, public ::testing::WithParamInterface<int> {};

TEST_P(RefusedGso, IsTurnedOffForGoodAndTheBatchIsSentAgain) {
  ASSERT_TRUE(sender_.features().gso);
  fill(3, 4);
  calls_.gso_error = GetParam();
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(12), (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_FALSE(sender_.features().gso);
  EXPECT_EQ(counters_.udp_gso_fallbacks.load(), 1U);
  EXPECT_EQ(log_.lines.size(), 1U);
}

TEST_P(RefusedGso, IsNotTriedAgain) {
  fill(1, 4);
  calls_.gso_error = GetParam();
  (void)send();
  const auto calls_before = counters_.udp_send_calls.load();
  cursor_ = {};
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(counters_.udp_send_calls.load(), calls_before + 1);
  EXPECT_EQ(arrived(8).size(), 8U);
}

TEST_P(RefusedGso, KeepsTheRemainderWhenTheResendBlocks) {
  fill(1, 4);
  calls_.gso_error = GetParam();
  calls_.send_limit = 1;
  calls_.send_errors = {0, 0, EAGAIN};
  EXPECT_EQ(send(), SendStatus::kAwaitWritable);
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(4), (Numbers{0, 1, 2, 3}));
}

INSTANTIATE_TEST_SUITE_P(Errno, RefusedGso, ::testing::Values(EIO, EINVAL),
                         [](const auto& test) { return std::string(test.param == EIO ? "EIO" : "EINVAL"); });

struct EcnRefusal {
  const char* name;
  const char* ip;
  int error;
  std::size_t packets;  // of a train
  bool refuses_gso;
};

class RefusedEcn : public ::testing::TestWithParam<EcnRefusal> {
 protected:
  void SetUp() override {
    if (GetParam().ip == std::string("::1") && !has_ipv6()) {
      GTEST_SKIP() << "no IPv6 here";
    }
    sender_.emplace(UdpSocket::open({.address = address(GetParam().ip)}, log_, calls_).value());
    receiver_.emplace(UdpSocket::open({.address = address(GetParam().ip)}, log_).value());
    calls_.ecn_error = GetParam().error;
    calls_.gso_error = GetParam().refuses_gso ? EINVAL : 0;
  }
  // Trains of two sizes, every packet with a mark.
  SendStatus send() {
    base::SendBatch batch{base::SendBatch::Limits{}};
    for (std::size_t i = 0; i < 2 * GetParam().packets; ++i) {
      append(batch, {sender_->local_address(), receiver_->local_address()},
             packet(i, i < GetParam().packets ? 100 : 200), base::Ecn::kEct0);
    }
    SendCursor cursor;
    return sender_->send(batch, cursor, counters_).status;
  }

  RecordingLog log_;
  FaultyCalls calls_;
  stats::WorkerCounters counters_;
  std::optional<UdpSocket> sender_, receiver_;
};

TEST_P(RefusedEcn, IsTurnedOffForGoodAndTheBatchIsSentAgainWithoutMarks) {
  ASSERT_TRUE(sender_->features().ecn);
  EXPECT_EQ(send(), SendStatus::kDone);
  const std::vector<Datagram> arrived = receive(*receiver_, 2 * GetParam().packets, counters_);
  ASSERT_EQ(arrived.size(), 2 * GetParam().packets);
  for (std::size_t i = 0; i < arrived.size(); ++i) {
    EXPECT_EQ(arrived[i].payload, packet(i, arrived[i].payload.size()));
    EXPECT_EQ(arrived[i].ecn, base::Ecn::kNotEct);
  }
  EXPECT_FALSE(sender_->features().ecn);
  EXPECT_EQ(sender_->features().gso, !GetParam().refuses_gso) << "what was wrong was the mark";
  EXPECT_EQ(counters_.udp_ecn_fallbacks.load(), 1U);
  EXPECT_EQ(counters_.udp_send_errors.load(), 0U);

  const std::uint64_t calls_before = counters_.udp_send_calls.load();
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(counters_.udp_send_calls.load(), calls_before + 1) << "marks are not tried again";
  EXPECT_EQ(receive(*receiver_, 2 * GetParam().packets, counters_).size(), 2 * GetParam().packets);
  EXPECT_EQ(log_.lines.size(), GetParam().refuses_gso ? 2U : 1U);
}

INSTANTIATE_TEST_SUITE_P(Errno, RefusedEcn,
                         ::testing::Values(EcnRefusal{"EinvalOfAPacket", "127.0.0.1", EINVAL, 1, false},
                                           EcnRefusal{"EinvalOfATrain", "127.0.0.1", EINVAL, 4, false},
                                           EcnRefusal{"EpermOfAPacket", "127.0.0.1", EPERM, 1, false},
                                           EcnRefusal{"EpermOfATrain", "127.0.0.1", EPERM, 4, false},
                                           EcnRefusal{"EaccesOfATrain", "127.0.0.1", EACCES, 4, false},
                                           EcnRefusal{"EopnotsuppOfATrain", "127.0.0.1", EOPNOTSUPP, 4,
                                                      false},
                                           EcnRefusal{"GsoToo", "127.0.0.1", EINVAL, 4, true},
                                           EcnRefusal{"EinvalOfAPacketOfIpv6", "::1", EINVAL, 1, false},
                                           EcnRefusal{"EpermOfATrainOfIpv6", "::1", EPERM, 4, false}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(FaultySend, KeepsMarksWhenThePacketIsRefusedWithoutOneToo) {
  append(batch_, path_, packet(0, 100), base::Ecn::kEct0);
  calls_.send_errors = {EPERM, EPERM};
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_TRUE(sender_.features().ecn);
  EXPECT_EQ(counters_.udp_ecn_fallbacks.load(), 0U);
  EXPECT_EQ(counters_.udp_send_errors.load(), 1U);
}

TEST_F(FaultySend, KeepsGsoWhenTheTrainsPacketsAreRefusedToo) {
  for (const int error : {EINVAL, EIO}) {
    fill(1, 3);
    calls_.send_errors = {error, error};
    EXPECT_EQ(send(), SendStatus::kDone);
    EXPECT_TRUE(sender_.features().gso);
    cursor_ = {};
    batch_.clear();
  }
  EXPECT_EQ(counters_.udp_gso_fallbacks.load(), 0U);
  EXPECT_EQ(counters_.udp_send_errors.load(), 2U);
}

TEST_F(FaultySend, DropsATrainWhoseSourceAddressIsNotOfThisMachine) {
  UdpSocket wildcard = UdpSocket::open({.address = address("0.0.0.0")}, log_).value();
  const base::Path gone{address("192.0.2.1", 1), receiver_.local_address()};
  append(batch_, gone, packet(0, 100));
  append(batch_, gone, packet(0, 100));
  fill(1, 2);
  EXPECT_EQ(wildcard.send(batch_, cursor_, counters_).status, SendStatus::kDone);
  EXPECT_EQ(arrived(2), (Numbers{0, 1}));
  EXPECT_TRUE(wildcard.features().gso);
  EXPECT_EQ(counters_.udp_send_errors.load(), 1U);
}

TEST_F(FaultySend, DropsOnlyTheTrainThatAFirewallRefuses) {
  fill(3, 2);
  calls_.send_limit = 1;
  calls_.send_errors = {0, EPERM};
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(4), (Numbers{0, 1, 4, 5}));
  EXPECT_EQ(counters_.udp_send_errors.load(), 1U);
  EXPECT_EQ(counters_.errors.load(), 1U);
}

TEST_F(FaultySend, LosesNothingToARefusalOfAnEarlierPacket) {
  fill(2, 2);
  calls_.send_errors = {ECONNREFUSED, EINTR};
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(4), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(counters_.udp_send_errors.load(), 0U);
}

TEST_F(FaultySend, EndsWhenEverySendIsRefused) {
  fill(3, 1);
  calls_.send_errors = std::deque<int>(1'000, ECONNREFUSED);
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(counters_.udp_send_errors.load(), 3U);
}

TEST_F(FaultySend, CutsTrainsThatAreLongerThanTheKernelTakes) {
  base::SendBatch::Limits limits;
  limits.train_packets = 200;
  limits.train_bytes = 200'000;
  batch_ = base::SendBatch(limits);
  fill(1, 200);
  ASSERT_EQ(batch_.trains().size(), 1U);
  EXPECT_EQ(send(), SendStatus::kDone);
  EXPECT_EQ(arrived(200).size(), 200U);
  EXPECT_TRUE(sender_.features().gso);
}

}  // namespace
}  // namespace knul::udp
