// Answers a query of the list of connections. Each worker contributes in parts of a fraction of a
// millisecond, between which it serves its connections.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <krepis/krepis.hpp>

#include "server/connection_query.hpp"
#include "server/worker.hpp"

namespace knul::server {

struct ConnectionPage {
  std::vector<ConnectionRow> rows;  // in the order of the query
  std::size_t matches = 0;          // connections that the filters of the query let through, of all pages
  std::string next;                 // the value of "after" for the next page; empty: this is the last page
};

// Blocks until all workers have answered, at most a second. A stopping worker contributes no rows. A
// connection that opens, closes or changes its value meanwhile may be missing, or be on two pages.
// Errors: kTimeout, kOutOfMemory. Thread: any but the workers.
[[nodiscard]] krepis::Result<ConnectionPage> query_connections(
    std::span<const std::unique_ptr<Worker>> workers, const ConnectionQuery& query);

// Appends {"connections":[...],"matches":N,"next":"..." or null}.
void append_json(const ConnectionPage& page, std::string& out);
// Appends the rows as a JSON array.
void append_json(std::span<const ConnectionRow> rows, std::string& out);

}  // namespace knul::server
