#include "cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace knul::cli {
namespace {

constexpr std::chrono::milliseconds kLongestRestore{1'000};
// The alternate screen, no cursor, no wrapping; and the reverse (XTerm Control Sequences, DECSET).
constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr const char* kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr const char* kClear = "\x1b[2J";
constexpr const char* kReverse = "\x1b[7m";
constexpr const char* kPlain = "\x1b[m";

}  // namespace

FrameSize terminal_size(int descriptor) {
  winsize size{};
  const bool is_known = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
  return is_known ? FrameSize{size.ws_col, size.ws_row} : FrameSize{};
}

Outcome<std::unique_ptr<Terminal>> Terminal::open() {
  const int keys = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (keys < 0) {
    return run_failure(std::string("/dev/tty: ") + std::strerror(errno) +
                       "; expected a terminal, or --once to print one frame");
  }
  return std::unique_ptr<Terminal>(new Terminal(keys));
}

Terminal::Terminal(int keys) : keys_(keys), output_(STDOUT_FILENO) { ::tcgetattr(keys_, &before_); }

Terminal::~Terminal() {
  leave();
  ::close(keys_);
}

// Ctrl-C and Ctrl-Z still raise signals.
void Terminal::enter() {
  termios mode = before_;
  mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  ::tcsetattr(keys_, TCSANOW, &mode);
  output_.write(kEnter, OutputWriter::Loss::kNever);
  is_frame_newest_ = false;
  is_entered_ = true;
  is_clear_needed_ = true;
}

void Terminal::leave() {
  if (!is_entered_) {
    return;
  }
  is_entered_ = false;
  take_back_frame();
  output_.write(kLeave, OutputWriter::Loss::kNever);
  (void)output_.flush(kLongestRestore);
  // Not TCSADRAIN, which waits for a terminal that accepts nothing.
  ::tcsetattr(keys_, TCSANOW, &before_);
}

FrameSize Terminal::size() const { return terminal_size(STDOUT_FILENO); }

void Terminal::take_back_frame() {
  if (is_frame_newest_ && output_.take_back()) {
    is_clear_needed_ = is_clear_needed_ || is_frame_clearing_;
  }
  is_frame_newest_ = false;
}

// Positions each line explicitly; a line feed would scroll.
void Terminal::draw(const Frame& frame) {
  take_back_frame();
  std::string text = is_clear_needed_ ? kClear : "";
  for (std::size_t i = 0; i < frame.lines.size(); ++i) {
    text += "\x1b[" + std::to_string(i + 1) + ";1H";
    text += i == frame.header_line ? kReverse + frame.lines[i] + kPlain : frame.lines[i];
  }
  is_frame_clearing_ = std::exchange(is_clear_needed_, false);
  is_frame_newest_ = true;
  output_.write(std::move(text), OutputWriter::Loss::kNever);
}

}  // namespace knul::cli
