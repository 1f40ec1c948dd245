#pragma once

namespace knul::base {

// The most workers that a server may have. A channel has a bit of a word for each, and byte 0 of a connection
// ID names one.
inline constexpr unsigned kMostWorkers = 64;

}  // namespace knul::base
