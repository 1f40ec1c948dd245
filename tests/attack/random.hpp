// The randomness of all attacks, from one seed: KNUL_SEED=n, else a fresh one. The report prints it.
#pragma once

#include <cstdlib>
#include <random>

#include "bytes.hpp"

namespace knul::attack {

inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* const given = std::getenv("KNUL_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }();
  return value;
}

// Thread: each has its own sequence.
inline std::mt19937_64& random_source() {
  thread_local std::mt19937_64 source(seed());
  return source;
}

inline std::uint64_t random_below(std::uint64_t limit) { return random_source()() % limit; }

inline Bytes random_bytes(std::size_t length) {
  Bytes out;
  out.reserve(length + 8);
  while (out.size() < length) {
    append_number(out, random_source()(), 8);
  }
  out.resize(length);
  return out;
}

}  // namespace knul::attack
