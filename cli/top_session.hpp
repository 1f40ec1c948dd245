// The life of `knul top`: reads samples, keys and signals, and draws.
#pragma once

#include <chrono>
#include <functional>

#include "cli/admin_address.hpp"
#include "cli/outcome.hpp"
#include "cli/top_sample.hpp"

namespace knul::cli {

// Two samples, `interval` apart. Blocks. Error: the server does not answer.
struct SamplePair {
  Sample earlier;
  Sample later;
};
Outcome<SamplePair> sample_twice(const AdminAddress& address, std::chrono::milliseconds interval);

// Draws on the terminal until the key q or a signal (SIGINT, SIGTERM, SIGHUP, SIGQUIT). Error: the server
// does not answer the first time, or there is no terminal; the terminal is unchanged then.
Outcome<void> run_top(const AdminAddress& address, std::chrono::milliseconds interval);

}  // namespace knul::cli
