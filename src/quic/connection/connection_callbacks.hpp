// The functions that the QUIC library calls. They note what happened in the Connection and pass data on;
// none of them calls back into the library in a way that it forbids.
#pragma once

#include <ngtcp2/ngtcp2.h>

namespace knul::quic {

[[nodiscard]] const ngtcp2_callbacks& server_callbacks();
[[nodiscard]] const ngtcp2_callbacks& client_callbacks();

// Sets where STOP_SENDING frames of the packet being read are noted, for as long as the object lives. The
// library's decrypt callback carries no user data, and a thread reads one packet at a time.
class Connection;
class ReadingScope {
 public:
  explicit ReadingScope(Connection& connection);
  ~ReadingScope();
  ReadingScope(const ReadingScope&) = delete;
  ReadingScope& operator=(const ReadingScope&) = delete;
};

}  // namespace knul::quic
