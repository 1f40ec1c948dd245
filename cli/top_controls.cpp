#include "cli/top_controls.hpp"

#include <algorithm>

namespace knul::cli {
namespace {

constexpr char kEscapeCharacter = '\x1b';
constexpr std::size_t kMostParameterBytes = 8;

// The key for the final byte of a sequence; kCharacter if it is unknown.
Key key_of(char end, std::string_view parameters) {
  switch (end) {
    case 'A':
      return Key::kUp;
    case 'B':
      return Key::kDown;
    case 'H':
      return Key::kHome;
    case 'F':
      return Key::kEnd;
    case '~':
      return parameters == "5"                        ? Key::kPageUp
             : parameters == "6"                      ? Key::kPageDown
             : parameters == "1" || parameters == "7" ? Key::kHome
             : parameters == "4" || parameters == "8" ? Key::kEnd
                                                      : Key::kCharacter;
    default:
      return Key::kCharacter;
  }
}

}  // namespace

std::vector<KeyPress> KeyReader::feed(std::string_view bytes) {
  std::vector<KeyPress> keys;
  for (const char byte : bytes) {
    if (byte == kEscapeCharacter) {
      state_ = State::kEscape;
    } else if (state_ == State::kEscape) {
      state_ = byte == '[' || byte == 'O' ? State::kSequence : State::kGround;
      parameters_.clear();
    } else if (state_ == State::kSequence) {
      if (byte >= '@' && byte <= '~') {
        state_ = State::kGround;
        if (const Key key = key_of(byte, parameters_); key != Key::kCharacter) {
          keys.push_back({key});
        }
      } else if (parameters_.size() < kMostParameterBytes) {
        parameters_ += byte;
      }
    } else {
      keys.push_back({Key::kCharacter, byte});
    }
  }
  return keys;
}

void TopControls::handle(const KeyPress& press, std::size_t columns, std::size_t table_rows) {
  const std::size_t page = std::max<std::size_t>(table_rows, 1);
  const auto up = [&](std::size_t rows) { first_row -= std::min(first_row, rows); };
  switch (press.key) {
    case Key::kUp:
      return up(1);
    case Key::kPageUp:
      return up(page);
    case Key::kHome:
      return up(first_row);
    // A frame bounds the row by the connections that there are.
    case Key::kDown:
      first_row = std::min(first_row + 1, kMostTableRows);
      return;
    case Key::kPageDown:
      first_row = std::min(first_row + page, kMostTableRows);
      return;
    case Key::kEnd:
      first_row = kMostTableRows;
      return;
    case Key::kCharacter:
      break;
  }
  if (press.character == 'q') {
    has_quit = true;
  } else if (press.character == 'p') {
    is_paused = !is_paused;
  } else if (press.character == 'r') {
    order.is_descending = !order.is_descending;
    first_row = 0;
  } else if (const auto selected = order_by_key(press.character, columns)) {
    order = *selected;
    first_row = 0;
  }
}

}  // namespace knul::cli
