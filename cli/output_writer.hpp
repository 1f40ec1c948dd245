// Lines for standard output, written by a thread of their own: a pipe that nobody reads and a stopped
// terminal delay the lines, never the command.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace knul::cli {

// Thread: one.
class OutputWriter {
 public:
  // Lines that may be lost are, when so many bytes wait.
  static constexpr std::size_t kMaxWaitingBytes = 256 << 10;

  // The thread inherits the signals that its maker has blocked.
  explicit OutputWriter(int descriptor);
  // Does not wait for the thread, which may be inside a write for ever.
  ~OutputWriter();
  OutputWriter(const OutputWriter&) = delete;
  OutputWriter& operator=(const OutputWriter&) = delete;

  enum class Loss : bool { kNever, kWhenFull };
  void write(std::string text, Loss loss);

  // Waits until everything is written, or refused by the descriptor; false after the timeout.
  bool flush(std::chrono::milliseconds timeout);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace knul::cli
