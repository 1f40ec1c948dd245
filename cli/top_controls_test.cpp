#include "cli/top_controls.hpp"

#include <gtest/gtest.h>

namespace knul::cli {
namespace {

std::string shown(const std::vector<KeyPress>& keys) {
  std::string text;
  for (const KeyPress& press : keys) {
    text += press.key == Key::kCharacter ? press.character : "-UDudHE"[static_cast<int>(press.key)];
  }
  return text;
}

TEST(KeyReader, RecognizesKeysInPartsAndTogether) {
  KeyReader reader;
  EXPECT_EQ(shown(reader.feed("a\x1b[Ab")), "aUb");
  EXPECT_EQ(shown(reader.feed("\x1b")), "");
  EXPECT_EQ(shown(reader.feed("[")), "");
  EXPECT_EQ(shown(reader.feed("5~q")), "uq");
  EXPECT_EQ(shown(reader.feed("\x1bOF\x1b[H")), "EH");
}

TEST(KeyReader, IgnoresOtherSequencesOfAnyLength) {
  KeyReader reader;
  EXPECT_EQ(shown(reader.feed("\x1b[1;5Cx\x1bzy\x1b[" + std::string(100'000, '1') + "~z")), "xyz");
  EXPECT_EQ(shown(reader.feed("\x1b\x1b[Bw")), "Dw");
}

TEST(TopControls, SelectAColumnAndReverseIt) {
  TopControls controls;
  controls.first_row = 7;
  controls.handle({Key::kCharacter, '3'}, 80, 10);
  EXPECT_EQ(top_columns()[controls.order.column].label, "age");
  EXPECT_EQ(controls.first_row, 0U);
  controls.handle({Key::kCharacter, 'r'}, 80, 10);
  EXPECT_FALSE(controls.order.is_descending);
}

TEST(TopControls, MoveByRowsAndPages) {
  TopControls controls;
  const auto press = [&](Key key) {
    controls.handle({key}, 80, 10);
    return controls.first_row;
  };
  EXPECT_EQ(press(Key::kUp), 0U);
  EXPECT_EQ(press(Key::kDown), 1U);
  EXPECT_EQ(press(Key::kPageDown), 11U);
  EXPECT_EQ(press(Key::kPageUp), 1U);
  EXPECT_EQ(press(Key::kEnd), kMostTableRows);
  EXPECT_EQ(press(Key::kPageDown), kMostTableRows);
  EXPECT_EQ(press(Key::kHome), 0U);
}

TEST(TopControls, PauseAndQuit) {
  TopControls controls;
  controls.handle({Key::kCharacter, 'p'}, 80, 10);
  EXPECT_TRUE(controls.is_paused);
  controls.handle({Key::kCharacter, 'p'}, 80, 10);
  EXPECT_FALSE(controls.is_paused);
  controls.handle({Key::kCharacter, 'q'}, 80, 10);
  EXPECT_TRUE(controls.has_quit);
}

}  // namespace
}  // namespace knul::cli
