// The functions that the QUIC library calls. They note events in the Connection and pass data on. None of
// them makes a call that the library forbids inside its callbacks.
#pragma once

#include <ngtcp2/ngtcp2.h>

namespace knul::quic {

[[nodiscard]] const ngtcp2_callbacks& server_callbacks();
[[nodiscard]] const ngtcp2_callbacks& client_callbacks();

// Notes the STOP_SENDING frames of the packet being read in `connection` while this object lives. A
// thread-local is enough: the library's decrypt callback carries no user data, and a thread reads one packet
// at a time.
class Connection;
class ReadingScope {
 public:
  explicit ReadingScope(Connection& connection);
  ~ReadingScope();
  ReadingScope(const ReadingScope&) = delete;
  ReadingScope& operator=(const ReadingScope&) = delete;
};

}  // namespace knul::quic
