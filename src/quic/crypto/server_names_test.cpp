#include "quic/crypto/server_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knul::quic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ServerNames, NormalizesCaseAndOneTrailingDot) {
  EXPECT_EQ(normalized_server_name("Example.COM."), "example.com");
  EXPECT_EQ(normalized_server_name("example.com.."), "example.com.");
  EXPECT_EQ(normalized_server_name("."), "");
  EXPECT_EQ(normalized_server_name(""), "");
}

TEST(ServerNames, FindEveryIndexOfAnExactNameInOrder) {
  ServerNames names;
  names.add("a.example", 2);
  names.add("b.example", 0);
  names.add("a.example", 5);
  EXPECT_THAT(names.find("a.example"), ElementsAre(2U, 5U));
  EXPECT_THAT(names.find("c.example"), IsEmpty());
}

TEST(ServerNames, MatchAWildcardWithExactlyOneLabel) {
  ServerNames names;
  names.add("*.example.com", 3);
  EXPECT_THAT(names.find_wildcard("www.example.com"), ElementsAre(3U));
  EXPECT_THAT(names.find_wildcard("xn--bcher-kva.example.com"), ElementsAre(3U));
  EXPECT_THAT(names.find_wildcard("example.com"), IsEmpty());
  EXPECT_THAT(names.find_wildcard(".example.com"), IsEmpty());
  EXPECT_THAT(names.find_wildcard("a.b.example.com"), IsEmpty());
  EXPECT_THAT(names.find_wildcard("wwwexample.com"), IsEmpty());
  EXPECT_THAT(names.find_wildcard("localhost"), IsEmpty());
  EXPECT_THAT(names.find_wildcard(""), IsEmpty());
  EXPECT_THAT(names.find("*.example.com"), IsEmpty()) << "not a name that a client can ask for";
}

TEST(ServerNames, LeaveOutWildcardsThatAreNotAWholeLeftmostLabel) {
  ServerNames names;
  for (const char* name :
       {"*", "*.", "w*.example.com", "*w.example.com", "a.*.example.com", "*.*.example.com"}) {
    names.add(name, 1);
  }
  for (const char* name : {"www.example.com", "a.b.example.com", "ww.example.com", "a.", "a"}) {
    EXPECT_THAT(names.find(name), IsEmpty()) << name;
    EXPECT_THAT(names.find_wildcard(name), IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace knul::quic
