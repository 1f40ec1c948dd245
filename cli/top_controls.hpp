// Decodes the keys of `knul top` and applies them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/top_table.hpp"

namespace knul::cli {

enum class Key : std::uint8_t { kCharacter, kUp, kDown, kPageUp, kPageDown, kHome, kEnd };

struct KeyPress {
  Key key = Key::kCharacter;
  char character = 0;  // of Key::kCharacter
};

// Decodes arrow and page keys (ECMA-48), also when a sequence arrives in parts; ignores other sequences.
// Memory is bounded.
class KeyReader {
 public:
  [[nodiscard]] std::vector<KeyPress> feed(std::string_view bytes);

 private:
  enum class State : std::uint8_t { kGround, kEscape, kSequence };
  State state_ = State::kGround;
  std::string parameters_;
};

// What the keys have selected.
struct TopControls {
  TableOrder order = first_order();
  std::size_t first_row = 0;
  bool is_paused = false;
  bool has_quit = false;

  // `columns`: width of the terminal. `table_rows`: rows of a page.
  void handle(const KeyPress& press, std::size_t columns, std::size_t table_rows);
};

}  // namespace knul::cli
