#include "server/certificate_watch.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

using namespace std::chrono_literals;
using Advice = CertificateWatch::Advice;

FileState file(std::int64_t version) {
  return {.exists = true, .device = 1, .inode = 7, .size = 100, .changed_ns = version};
}
PairState pair(std::int64_t certificate, std::int64_t key) { return {file(certificate), file(key)}; }

// Observes `states` at its own pace until it gives other advice than to wait, for at most `longest`.
struct Watched {
  CertificateWatch watch{{pair(1, 1)}};
  base::Instant now{1'000s};

  Advice advice_for(const PairState& state, base::Duration longest = 60s) {
    const base::Instant end = now + longest;
    while (now < end) {
      const Advice advice = watch.observe({state}, now);
      if (advice != Advice::kWait) {
        return advice;
      }
      now += watch.pause();
    }
    return Advice::kWait;
  }
};

TEST(CertificateWatch, WaitsWhileNothingChanges) {
  Watched one;
  EXPECT_EQ(one.advice_for(pair(1, 1)), Advice::kWait);
  EXPECT_EQ(one.watch.pause(), 1s);
}

TEST(CertificateWatch, ReloadsWhenBothFilesAreUnchangedForHalfASecond) {
  Watched one;
  const base::Instant begin = one.now;
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kReload);
  EXPECT_EQ(one.now - begin, 500ms);
  one.watch.note_result(true);
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kWait);
}

TEST(CertificateWatch, WaitsLongerWhileTheFilesGoOnChanging) {
  Watched one;
  const base::Instant begin = one.now;
  for (int i = 2; i < 30; ++i) {
    EXPECT_EQ(one.advice_for(pair(i, i), 300ms), Advice::kWait) << i;
  }
  EXPECT_EQ(one.advice_for(pair(30, 30)), Advice::kReload);
  EXPECT_EQ(one.now - begin, 28 * 300ms + 500ms);
}

TEST(CertificateWatch, ReloadsAfterTenSecondsOfChanges) {
  Watched one;
  const base::Instant begin = one.now;
  Advice advice = Advice::kWait;
  for (int i = 2; advice == Advice::kWait && i < 1'000; ++i) {
    advice = one.advice_for(pair(i, i), 300ms);
  }
  EXPECT_EQ(advice, Advice::kReload);
  EXPECT_EQ(one.now - begin, 10s);
}

TEST(CertificateWatch, TriesAPairOfWhichOneFileHasChangedAndWaitsForTheOther) {
  Watched one;
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kTry);
  one.watch.note_result(false);
  EXPECT_EQ(one.advice_for(pair(2, 1), 3s), Advice::kWait);
  EXPECT_EQ(one.advice_for(pair(2, 2), 3s), Advice::kReload);
}

TEST(CertificateWatch, AcceptsARenewedCertificateWithTheSameKey) {
  Watched one;
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kTry);
  one.watch.note_result(true);
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kWait);
}

TEST(CertificateWatch, ReportsAPairThatStaysHalfDoneOnceAfterTenSeconds) {
  Watched one;
  const base::Instant begin = one.now;
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kTry);
  one.watch.note_result(false);
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kReload);
  EXPECT_EQ(one.now - begin, 10s);
  one.watch.note_result(false);
  EXPECT_EQ(one.advice_for(pair(2, 1)), Advice::kWait);
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kReload) << "the other file came late";
}

TEST(CertificateWatch, DoesNotRepeatAReloadThatFailedUntilAFileChanges) {
  Watched one;
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kReload);
  one.watch.note_result(false);
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kWait);
  EXPECT_EQ(one.advice_for(pair(3, 2)), Advice::kReload);
}

TEST(CertificateWatch, WaitsForAMissingFile) {
  Watched one;
  EXPECT_EQ(one.advice_for({{}, file(2)}), Advice::kTry);
  one.watch.note_result(false);
  EXPECT_EQ(one.advice_for({{}, file(2)}, 3s), Advice::kWait);
  EXPECT_EQ(one.advice_for(pair(2, 2)), Advice::kReload);
}

TEST(CertificateWatch, ForgetsAChangeThatWasTakenBack) {
  Watched one;
  EXPECT_EQ(one.advice_for(pair(2, 1), 300ms), Advice::kWait);
  EXPECT_EQ(one.advice_for(pair(1, 1)), Advice::kWait);
  EXPECT_EQ(one.watch.pause(), 1s);
}

TEST(CertificateWatch, SeesAnotherFileOfTheSameTimeAndSize) {
  Watched one;
  PairState other = pair(1, 1);
  other.certificate.inode = other.key.inode = 8;
  EXPECT_EQ(one.advice_for(other), Advice::kReload);
}

}  // namespace
}  // namespace knul::server
