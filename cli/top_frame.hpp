// A frame of `knul top` as lines of text, from samples. Pure: the same view gives the same lines.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/top_sample.hpp"
#include "cli/top_table.hpp"

namespace knul::cli {

struct TopView {
  std::string address = {};
  const Sample* first = nullptr;    // when the command attached; not null
  const Sample* earlier = nullptr;  // null before the second reading
  const Sample* now = nullptr;      // not null; its connections are in the order `order`
  TableOrder order = first_order();
  std::size_t first_row = 0;  // of the table; bounded here
  bool is_paused = false;
  bool has_keys = true;      // the footer shows the keys
  std::string message = {};  // in place of the state; empty: none
};

struct FrameSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

struct Frame {
  std::vector<std::string> lines;  // exactly FrameSize::rows, each of FrameSize::columns characters of ASCII
  std::size_t header_line = 0;     // of the table
  std::size_t table_rows = 0;      // rows of the terminal for connections
  std::size_t first_row = 0;       // TopView::first_row, limited to the last page
};

[[nodiscard]] Frame make_frame(const TopView& view, FrameSize size);

}  // namespace knul::cli
