// Writes lines to standard output on a thread of its own, so that a pipe without a reader or a stopped
// terminal delays the lines and not the command.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace knul::cli {

// Thread: one.
class OutputWriter {
 public:
  // While more bytes wait, lines with Loss::kWhenFull are dropped.
  static constexpr std::size_t kMaxWaitingBytes = 256 << 10;

  // The thread inherits the signal mask of the caller.
  explicit OutputWriter(int descriptor);
  // Does not wait for the thread, whose write may block forever.
  ~OutputWriter();
  OutputWriter(const OutputWriter&) = delete;
  OutputWriter& operator=(const OutputWriter&) = delete;

  enum class Loss : bool { kNever, kWhenFull };
  void write(std::string text, Loss loss);
  // Removes the newest text unless the thread has begun to write it. Returns whether a text was removed.
  bool take_back();

  // Waits until all lines are written, or the descriptor has refused them. False: the timeout has passed.
  bool flush(std::chrono::milliseconds timeout);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace knul::cli
