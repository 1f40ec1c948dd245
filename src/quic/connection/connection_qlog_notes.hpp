// What a connection writes to its qlog. Cold functions: they stay out of the code that runs for every packet.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/datagram.hpp"
#include "base/qlog.hpp"
#include "base/time.hpp"
#include "quic/connection/close_cause.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/qlog/connection_qlog.hpp"

namespace knul::quic {

struct QlogIds {
  std::span<const std::uint8_t> local;   // the connection ID of this side
  std::span<const std::uint8_t> remote;  // of the peer
};

// Null: the connection is not logged, or memory for it is short. Requires that the library's connection
// exists.
[[gnu::cold]] std::unique_ptr<ConnectionQlog> open_qlog(base::QlogFiles& files,
                                                        const LibraryConnection& library,
                                                        const base::Path& path, const QlogIds& ids) noexcept;
// Called after each datagram that the library has read.
[[gnu::cold]] void note_read(ConnectionQlog& qlog, const LibraryConnection& library);
[[gnu::cold]] void note_metrics(ConnectionQlog& qlog, const LibraryConnection& library);
[[gnu::cold]] void note_closed(ConnectionQlog& qlog, const CloseCause& cause, base::Instant now);

}  // namespace knul::quic
