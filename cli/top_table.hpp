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
  char key;                     // the key press that selects the column
  std::string_view title;       // of the table
  std::string_view label;       // of the footer
  std::string_view server_key;  // sort key of /connections; empty: the server cannot sort by the column
  std::size_t width;            // in characters
  std::size_t from_columns;     // shown on terminals of at least this width
  // The value in a row: either a text, or a number and the function that writes it.
  std::string ConnectionSample::*text = nullptr;
  double ConnectionSample::*number = nullptr;
  std::string (*format)(double) = nullptr;
};

[[nodiscard]] std::span<const TopColumn> top_columns();

// Sorts the rows by a column.
struct TableOrder {
  std::size_t column = 0;  // index in top_columns()
  bool is_descending = false;
};
[[nodiscard]] TableOrder first_order();  // by bytes sent, the most first
// Returns the order by the column that the key press selects: texts ascending, numbers descending. Returns
// nullopt if no column on a terminal `columns` wide has this key.
[[nodiscard]] std::optional<TableOrder> order_by_key(char key, std::size_t columns);

inline constexpr std::size_t kMostTableRows = 200;
// Returns the HTTP target that asks the server for kMostTableRows rows, sorted by the column if it can.
[[nodiscard]] std::string list_target(const TableOrder& order);

// Sorts rows with equal values by ID.
void sort_connections(std::vector<ConnectionSample>& connections, const TableOrder& order);

// Return exactly `columns` characters. The title of the sorted column ends with v (descending) or ^
// (ascending).
[[nodiscard]] std::string table_header(const TableOrder& order, std::size_t columns);
[[nodiscard]] std::string table_row(const ConnectionSample& connection, std::size_t columns);

}  // namespace knul::cli
