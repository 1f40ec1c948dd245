// The terminal of `knul top`: its size, its mode, and the drawing of a frame.
#pragma once

#include <termios.h>

#include <memory>
#include <string>

#include "cli/outcome.hpp"
#include "cli/output_writer.hpp"
#include "cli/top_frame.hpp"

namespace knul::cli {

// Returns 80 x 24 if the descriptor is not a terminal or does not report its size.
[[nodiscard]] FrameSize terminal_size(int descriptor);

// Switches the terminal to its alternate screen, hides the cursor, and reads keys without line buffering or
// echo. The destructor restores the terminal. Thread: one.
class Terminal {
 public:
  // Error: kFailure if the process has no terminal.
  static Outcome<std::unique_ptr<Terminal>> open();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void enter();
  // Restores the screen and the mode. Waits at most one second for unwritten output.
  void leave();

  [[nodiscard]] FrameSize size() const;
  // Does not wait for the terminal. Replaces the earlier frame if the terminal has not begun to receive it.
  void draw(const Frame& frame);
  // The next draw() clears the screen first.
  void clear() { is_clear_needed_ = true; }

  // The non-blocking descriptor for keys. It has its own file description, so O_NONBLOCK does not affect the
  // shell.
  [[nodiscard]] int keys() const { return keys_; }

 private:
  explicit Terminal(int keys);
  void take_back_frame();

  const int keys_;
  OutputWriter output_;
  termios before_{};
  bool is_entered_ = false;
  bool is_clear_needed_ = true;
  // Whether the newest output is a frame, and that frame clears the screen.
  bool is_frame_newest_ = false;
  bool is_frame_clearing_ = false;
};

}  // namespace knul::cli
