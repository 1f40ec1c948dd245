// Examines a machine before a server starts there. For C++ programs that link libknul.a; the command is
// `knul check`.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace krepis {

enum class FindingLevel : std::uint8_t {
  kOk,
  kWarning,  // a server starts, and is slower or less safe than it could be
  kFailure,  // a server does not start, or clients refuse it
};

struct Finding {
  std::string name;  // "certificate", "port", "receive buffer", ...
  FindingLevel level = FindingLevel::kOk;
  std::string found = {};
  std::string advice = {};  // empty: nothing to do
};

// Examines what a server with these settings (JSON, as krepis_quic_start_json) needs: certificates and client
// authorities, port, socket buffers, offloads (probed with packets on loopback), descriptors, processor,
// libraries with their known vulnerabilities, the clock, and the files of key_log_path and qlog_folder. Binds
// the port for a moment, but leaves the socket of listen_fd unchanged; creates no file and starts no thread.
// Error: kInvalidRequest, a setting; then nothing was examined.
// Blocks: to read files and check keys, and two seconds at most for the packets. Thread: any.
Result<std::vector<Finding>> inspect(std::string_view settings_json);

}  // namespace krepis
