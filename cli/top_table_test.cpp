#include "cli/top_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace knul::cli {
namespace {

std::size_t column_of(char key) { return order_by_key(key, 200)->column; }

std::vector<double> ids(const std::vector<ConnectionSample>& rows) {
  std::vector<double> found;
  std::ranges::transform(rows, std::back_inserter(found), &ConnectionSample::id);
  return found;
}

TEST(TopColumns, HaveKeysOfTheirOwn) {
  std::set<char> keys = {'r', 'p', 'q'};
  for (const TopColumn& column : top_columns()) {
    EXPECT_TRUE(keys.insert(column.key).second) << column.key;
  }
}

TEST(OrderByKey, BeginsWithTheLargestNumberOrTheFirstText) {
  EXPECT_TRUE(order_by_key('3', 80)->is_descending);
  EXPECT_FALSE(order_by_key('1', 80)->is_descending);
  EXPECT_FALSE(order_by_key('x', 80));
}

TEST(OrderByKey, IgnoresColumnsThatAreNotShown) {
  EXPECT_FALSE(order_by_key('n', 80));
  EXPECT_TRUE(order_by_key('n', 120));
}

TEST(ListTarget, AsksForTheOrderThatTheServerKnows) {
  EXPECT_EQ(list_target({column_of('3'), true}), "/connections?sort=age_ms&descending=true&limit=200");
  EXPECT_EQ(list_target({column_of('2'), true}), "/connections?sort=id&descending=false&limit=200");
}

TEST(SortConnections, OrdersNumbersAndTextsAndEqualOnesById) {
  std::vector<ConnectionSample> rows = {{.id = 3, .peer = "b", .age_seconds = 5},
                                        {.id = 2, .peer = "a", .age_seconds = 7},
                                        {.id = 1, .peer = "b", .age_seconds = 5}};
  sort_connections(rows, {column_of('3'), true});
  EXPECT_EQ(ids(rows), (std::vector<double>{2, 1, 3}));
  sort_connections(rows, {column_of('1'), false});
  EXPECT_EQ(ids(rows), (std::vector<double>{2, 1, 3}));
  sort_connections(rows, {column_of('1'), true});
  EXPECT_EQ(ids(rows), (std::vector<double>{1, 3, 2}));
}

TEST(TableHeader, MarksTheOrder) {
  EXPECT_NE(table_header({column_of('5'), true}, 80).find("RTTv"), std::string::npos);
  EXPECT_NE(table_header({column_of('5'), false}, 80).find("RTT^"), std::string::npos);
  EXPECT_EQ(table_header({column_of('5'), false}, 80).find('v'), std::string::npos);
}

TEST(TableRow, HasTheWidthOfTheTerminal) {
  const ConnectionSample row{.peer = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535",
                             .alpn = std::string(255, 'a'),
                             .server_name = std::string(255, 'n'),
                             .state = "hibernating",
                             .verdict = "the network path: the congestion window was full, 62 % of the time",
                             .limit = "congestion_window",
                             .age_seconds = 1e18,
                             .idle_seconds = 1e18,
                             .bytes_sent = 1e18};
  for (const std::size_t columns : {1U, 20U, 79U, 80U, 119U, 120U, 140U, 250U}) {
    EXPECT_EQ(table_row(row, columns).size(), columns);
    EXPECT_EQ(table_header(first_order(), columns).size(), columns);
  }
  EXPECT_NE(table_row(row, 80).find(":65535 hib"), std::string::npos) << table_row(row, 80);
  EXPECT_NE(table_row(row, 80).find(" cwnd"), std::string::npos);
  EXPECT_NE(table_row(row, 250).find("62 % of the time"), std::string::npos);
  EXPECT_NE(table_row(row, 250).find("5678]:65535"), std::string::npos);
}

}  // namespace
}  // namespace knul::cli
