// Where the events of connections are written in the format qlog, for programs that display them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/socket_address.hpp"

namespace knul::base {

enum class QlogOutcome : std::uint8_t {
  kAccepted,
  kDropped,  // too much waits to be written
  kFull,     // the file accepts no further record
};

// The file of one connection. Its destruction ends the file.
// Thread: one.
class QlogFile {
 public:
  virtual ~QlogFile() = default;
  // Accepts a whole record or nothing of it. Never waits for the file.
  virtual QlogOutcome write(std::string_view record) noexcept = 0;
  // The same for the last record of a file that is full, for which 1 KiB is reserved.
  virtual void write_last(std::string_view record) noexcept = 0;
};

// Thread: any.
class QlogFiles {
 public:
  virtual ~QlogFiles() = default;
  // Null: this connection is not logged. `original_dcid` is the connection ID that the client chose for its
  // first packet; it names the file.
  virtual std::unique_ptr<QlogFile> open(const SocketAddress& peer,
                                         std::span<const std::uint8_t> original_dcid) noexcept = 0;
  // Milliseconds since 1970.
  [[nodiscard]] virtual std::uint64_t unix_ms() const noexcept = 0;
};

}  // namespace knul::base
