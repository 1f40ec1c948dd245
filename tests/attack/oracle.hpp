// The well-behaved client beside an attack: from 127.0.0.1, 20 requests a second whatever happened to the
// earlier ones, a fresh connection every 20, whose handshake counts into its first request's time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "udp.hpp"

namespace knul::attack {

struct OracleReport {
  std::size_t requests = 0, failures = 0;
  std::string first_failure;
  double p99_ms = 0, worst_ms = 0;
  // The same of datagrams between two threads of this process: what the machine itself took.
  double machine_p99_ms = 0;
};

class Oracle {
 public:
  struct Options {
    Address server;
    std::string alpn = "perf";
    std::string request;  // its answer ends with a FIN
    std::chrono::milliseconds patience = 10s;
  };
  explicit Oracle(const Options& options);
  ~Oracle();
  // Ends the requests, waits for the answers to those that are out, and reports what happened since the last
  // report. Requests go on after it.
  OracleReport report();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace knul::attack
