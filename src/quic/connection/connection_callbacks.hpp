// The functions that the QUIC library calls. They note events in the Connection and pass data on. None of
// them makes a call that the library forbids inside its callbacks.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <span>

#include "quic/qlog/connection_qlog.hpp"
#include "quic/wire/frame_scanner.hpp"

namespace knul::quic {

[[nodiscard]] const ngtcp2_callbacks& server_callbacks();
[[nodiscard]] const ngtcp2_callbacks& client_callbacks();

// While this object lives, `connection` notes the STOP_SENDING frames of the packet being read. The library's
// decrypt callback carries no user data, so a thread-local names the connection; a thread reads one packet at
// a time.
class Connection;
class ReadingScope {
 public:
  explicit ReadingScope(Connection& connection);
  ~ReadingScope();
  ReadingScope(const ReadingScope&) = delete;
  ReadingScope& operator=(const ReadingScope&) = delete;
};

// While this object lives, the frames of the thread's encrypted packets are counted in it with
// Frames::kCounted, and noted in `qlog` unless it is null.
class WritingScope {
 public:
  enum class Frames : bool { kNotCounted, kCounted };
  WritingScope(Frames frames, ConnectionQlog* qlog);
  ~WritingScope();
  WritingScope(const WritingScope&) = delete;
  WritingScope& operator=(const WritingScope&) = delete;
  [[nodiscard]] const SentFrames& frames() const { return frames_; }
  void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) {
    if (counts_frames_ == Frames::kCounted) {
      frames_ += scan_sent_frames(payload);
    }
    if (qlog_ != nullptr) [[unlikely]] {
      qlog_->note_encrypted(header, payload);
    }
  }

 private:
  const Frames counts_frames_;
  SentFrames frames_;
  ConnectionQlog* const qlog_;
};

}  // namespace knul::quic
