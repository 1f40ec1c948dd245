#include "quic/connection/ending.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "quic/memory/scarce_heap_test_support.hpp"

namespace knul::quic {
namespace {

constexpr std::uint64_t kCode = 71;
const std::string kReason = "a reason that is too long to lie inside of a string";

// A way to end a connection, with the expected cause.
struct Way {
  const char* name;
  std::function<bool(Ending&)> end;
  CloseCause::Source source;
  std::uint64_t code;
  bool tells_peer;
};
const Way kWays[] = {
    {"end", [](Ending& it) { return it.end(CloseCause::Source::kEvicted, kCode, kReason); },
     CloseCause::Source::kEvicted, kCode, false},
    {"end_by_peer",
     [](Ending& it) {
       ngtcp2_ccerr error;
       ngtcp2_ccerr_set_application_error(&error, kCode, nullptr, 0);
       return it.end_by_peer(error);
     },
     CloseCause::Source::kPeerApplication, kCode, false},
    {"end_by_application",
     [](Ending& it) { return it.end_by_application(CloseCause::Source::kNoProgress, kCode, kReason); },
     CloseCause::Source::kNoProgress, kCode, true},
    {"abort", [](Ending& it) { return it.abort(kCode, kReason); }, CloseCause::Source::kLocalTransport, kCode,
     true},
    {"fail_tls", [](Ending& it) { return it.fail_tls(40, kReason); }, CloseCause::Source::kLocalTransport,
     NGTCP2_CRYPTO_ERROR | 40U, true},
    {"fail", [](Ending& it) { return it.fail(NGTCP2_ERR_FLOW_CONTROL); }, CloseCause::Source::kLocalTransport,
     NGTCP2_FLOW_CONTROL_ERROR, true},
    {"fail, idle", [](Ending& it) { return it.fail(NGTCP2_ERR_IDLE_CLOSE); },
     CloseCause::Source::kIdleTimeout, 0, false},
    {"fail, handshake", [](Ending& it) { return it.fail(NGTCP2_ERR_HANDSHAKE_TIMEOUT); },
     CloseCause::Source::kHandshakeTimeout, 0, false},
};

void expect_ended_by(const Ending& ending, const Way& way) {
  ASSERT_TRUE(ending.has_ended());
  EXPECT_EQ(ending.cause().source, way.source);
  EXPECT_EQ(ending.cause().code, way.code);
  ASSERT_EQ(ending.close_error() != nullptr, way.tells_peer);
  if (way.tells_peer) {
    EXPECT_EQ(ending.close_error()->error_code, way.code);
  }
}

TEST(Ending, IsNotOverAtFirst) {
  const Ending ending;
  EXPECT_FALSE(ending.has_ended());
  EXPECT_EQ(ending.close_error(), nullptr);
}

TEST(Ending, KeepsTheFirstCauseWhateverFollows) {
  for (const Way& first : kWays) {
    for (const Way& second : kWays) {
      SCOPED_TRACE(std::string(first.name) + ", then " + second.name);
      Ending ending;
      EXPECT_TRUE(first.end(ending));
      EXPECT_FALSE(second.end(ending));
      expect_ended_by(ending, first);
    }
  }
}

TEST(Ending, HappensWithoutMemoryForTheReason) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    Ending ending;
    scarce_heap = {.successes_left = 0};
    const bool has_ended = way.end(ending);
    scarce_heap = {};
    EXPECT_TRUE(has_ended);
    expect_ended_by(ending, way);
  }
}

TEST(Ending, TellsThePeerTheFirst256BytesOfAReason) {
  Ending ending;
  ending.end_by_application(CloseCause::Source::kLocalApplication, kCode, std::string(300, 'r'));
  EXPECT_EQ(ending.cause().reason, std::string(256, 'r'));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(ending.close_error()->reason),
                        ending.close_error()->reasonlen),
            std::string(256, 'r'));
}

TEST(Ending, TellsThePeerTheLargestCodeInPlaceOfALargerOne) {
  constexpr std::uint64_t kLargest = (std::uint64_t{1} << 62) - 1;  // RFC 9000 §16
  Ending ending;
  ending.end_by_application(CloseCause::Source::kLocalApplication, ~std::uint64_t{0}, "");
  EXPECT_EQ(ending.close_error()->error_code, kLargest);
}

}  // namespace
}  // namespace knul::quic
