// The terminal of `knul top`: its size, its mode, and the drawing of a frame.
#pragma once

#include <termios.h>

#include <memory>
#include <string>

#include "cli/outcome.hpp"
#include "cli/output_writer.hpp"
#include "cli/top_frame.hpp"

namespace knul::cli {

// 80 x 24 if the descriptor is no terminal or has no size.
[[nodiscard]] FrameSize terminal_size(int descriptor);

// The second screen of the terminal without a cursor; keys arrive one by one and are not echoed. The
// destructor restores everything. Thread: one.
class Terminal {
 public:
  // Error: kFailure, the process has no terminal.
  static Outcome<std::unique_ptr<Terminal>> open();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void enter();
  // As it was before. Waits at most a second for a terminal that accepts nothing.
  void leave();

  [[nodiscard]] FrameSize size() const;
  // The frame is dropped while the terminal accepts nothing.
  void draw(const Frame& frame);
  // The next frame is drawn on an empty screen.
  void clear() { is_clear_needed_ = true; }

  // Of the keys; non-blocking. The file description is not shared with the shell.
  [[nodiscard]] int keys() const { return keys_; }

 private:
  explicit Terminal(int keys);

  const int keys_;
  OutputWriter output_;
  termios before_{};
  bool is_entered_ = false;
  bool is_clear_needed_ = true;
};

}  // namespace knul::cli
