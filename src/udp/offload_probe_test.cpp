#include "udp/offload_probe.hpp"

#include <gtest/gtest.h>

#include "udp/test_support.hpp"

namespace knul::udp {
namespace {

using test_support::FaultyCalls;

constexpr int kSegment = 103;  // UDP_SEGMENT
constexpr int kGro = 104;      // UDP_GRO

class OffloadProbeTest : public testing::Test {
 protected:
  OffloadProbe probe(const SocketOptions& options = {}) {
    return probe_offloads(options, log_, calls_).value();
  }

  base::NullLogSink log_;
  FaultyCalls calls_;
};

TEST_F(OffloadProbeTest, FindsEverythingOnLoopback) {
  const OffloadProbe found =
      probe({.address = {}, .send_buffer_bytes = 65'536, .receive_buffer_bytes = 65'536});
  EXPECT_TRUE(found.gso);
  EXPECT_TRUE(found.gro);
  EXPECT_TRUE(found.ecn);
  EXPECT_EQ(found.receive_buffer.asked_bytes, 65'536U);
  EXPECT_EQ(found.receive_buffer.got_bytes, 65'536U);
}

TEST_F(OffloadProbeTest, FindsThatTheKernelRefusesTrains) {
  calls_.gso_error = EIO;
  const OffloadProbe found = probe();
  EXPECT_FALSE(found.gso);
  EXPECT_TRUE(found.ecn);
}

TEST_F(OffloadProbeTest, FindsThatTheKernelHasNoOffloads) {
  calls_.option_errors = {{kSegment, ENOPROTOOPT}, {kGro, ENOPROTOOPT}};
  const OffloadProbe found = probe();
  EXPECT_FALSE(found.gso);
  EXPECT_FALSE(found.gro);
}

TEST_F(OffloadProbeTest, FindsThatMarksAreRefused) {
  calls_.ecn_error = EPERM;
  const OffloadProbe found = probe();
  EXPECT_FALSE(found.ecn);
  EXPECT_TRUE(found.gso);
}

TEST_F(OffloadProbeTest, FindsThatMarksAreNotReported) {
  calls_.option_errors = {{IP_RECVTOS, ENOPROTOOPT}};
  EXPECT_FALSE(probe().ecn);
}

TEST_F(OffloadProbeTest, LeavesOutWhatIsNotWanted) {
  const OffloadProbe found = probe({.address = {}, .use_gso = false, .use_gro = false});
  EXPECT_FALSE(found.gso);
  EXPECT_FALSE(found.gro);
  EXPECT_TRUE(found.ecn);
}

TEST_F(OffloadProbeTest, FailsWithoutDescriptors) {
  calls_.open_errors = {0, EMFILE};
  const auto found = probe_offloads({}, log_, calls_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, base::ErrorKind::kQuota);
}

TEST_F(OffloadProbeTest, FailsWhenNothingArrives) {
  calls_.send_errors.assign(10, ENETUNREACH);
  const auto found = probe_offloads({}, log_, calls_);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("expected UDP over loopback to work"), std::string::npos);
}

TEST_F(OffloadProbeTest, GoesOnAfterASignal) {
  calls_.wait_errors = {EINTR, EINTR};
  EXPECT_TRUE(probe().ecn);
}

TEST_F(OffloadProbeTest, StopsAtAnErrorOfTheSocket) {
  calls_.receive_errors.assign(1'000, ENOTCONN);
  EXPECT_FALSE(probe_offloads({}, log_, calls_));
  EXPECT_GT(calls_.receive_errors.size(), 900U) << "the error is not asked for again and again";
}

}  // namespace
}  // namespace knul::udp
