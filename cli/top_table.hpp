// The table of connections of `knul top`: its columns, their order and texts.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/top_sample.hpp"

namespace knul::cli {

struct TopColumn {
  char key;                     // selects the column
  std::string_view title;       // of the table
  std::string_view label;       // of the footer
  std::string_view server_key;  // by which the server sorts its list; empty: it cannot
  std::size_t width;
  std::size_t from_columns;  // shown on terminals of at least this width
  bool is_text;              // left-aligned, sorted from A to Z first
};

[[nodiscard]] std::span<const TopColumn> top_columns();

// The order of the rows, and the query of the server's list.
struct TableOrder {
  std::size_t column = 0;  // index in top_columns()
  bool is_descending = false;
};
[[nodiscard]] TableOrder first_order();  // the most bytes sent
// The order that the key of a column selects. Nothing if no column of a terminal of this width has the key.
[[nodiscard]] std::optional<TableOrder> order_by_key(char key, std::size_t columns);

inline constexpr std::size_t kMostTableRows = 200;
// The path with the query of the list: in the order of the server's key, at most kMostTableRows rows.
[[nodiscard]] std::string list_target(const TableOrder& order);

// Rows with equal values are in the order of their IDs.
void sort_connections(std::vector<ConnectionSample>& connections, const TableOrder& order);

// Both have exactly `columns` characters. The title of the sorted column has a marker: v for descending, ^
// else.
[[nodiscard]] std::string table_header(const TableOrder& order, std::size_t columns);
[[nodiscard]] std::string table_row(const ConnectionSample& connection, std::size_t columns);

}  // namespace knul::cli
