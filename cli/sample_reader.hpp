// Reads samples of a server for `knul top`.
#pragma once

#include <functional>
#include <string>

#include "cli/admin_client.hpp"
#include "cli/top_sample.hpp"
#include "cli/top_table.hpp"

namespace knul::cli {

// Thread: the one that runs the client's context. Lifetime: `client` outlives this object. This object
// outlives its pending reads.
class SampleReader {
 public:
  SampleReader(AdminClient& client, std::string source) : client_(client), source_(std::move(source)) {}

  // Reads /stats, then /connections. Fails if /stats fails; a failed /connections sets Sample::list_failure.
  using Done = std::function<void(Outcome<Sample> sample)>;
  void read(const TableOrder& order, Done done);

 private:
  void read_list(const std::string& target, Sample sample, const Done& done);

  AdminClient& client_;
  const std::string source_;
};

}  // namespace knul::cli
