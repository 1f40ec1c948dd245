// The limit of the number of workers.
#pragma once

namespace knul::base {

// The most workers of a server. A channel has one bit of a word for each worker, and byte 0 of a connection
// ID names a worker.
inline constexpr unsigned kMostWorkers = 64;

}  // namespace knul::base
