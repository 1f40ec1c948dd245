// What `knul top` knows of a server at one moment, from the answers of its admin listener. Texts are escaped
// here, so that nothing a peer chose reaches the terminal as a control character.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace knul::cli {

struct ConnectionSample {
  double id = 0;
  std::string peer = {};
  std::string alpn = {};
  std::string server_name = {};
  std::string state = {};    // "handshaking", "active", "hibernating"
  std::string verdict = {};  // the verdict of the server, in words
  std::string limit = {};    // the name of the largest entry of limited_shares
  double age_seconds = 0;
  double idle_seconds = 0;
  double rtt_seconds = 0;
  double request_p50_seconds = 0;
  double request_p99_seconds = 0;
  double bytes_received = 0;
  double bytes_sent = 0;
  double packets_lost = 0;
};

struct Sample {
  nlohmann::ordered_json statistics = nlohmann::ordered_json::object();
  nlohmann::ordered_json list = nlohmann::ordered_json::object();  // the answer of /connections
  std::vector<ConnectionSample> connections = {};
  double matches = 0;             // all connections, also those beyond the list
  std::string list_failure = {};  // why the list could not be read; empty: it was read
};

// Of the body of /connections: at most `most` rows.
[[nodiscard]] std::vector<ConnectionSample> connections_in(const nlohmann::ordered_json& list,
                                                           std::size_t most);

// Reads the connections from `list`, the answer of /connections, into the sample: the first `most` of them. A
// failure becomes Sample::list_failure.
void set_list(Sample& sample, Outcome<nlohmann::ordered_json> list, std::size_t most);

// True if the server restarted between the samples.
[[nodiscard]] bool is_restart(const Sample& earlier, const Sample& later);

// Per second, between two samples of one run.
struct Rates {
  double seconds = 0;
  double requests = 0;
  double handshakes = 0;
  double bits_in = 0;
  double bits_out = 0;
  double packets_in = 0;
  double packets_out = 0;
  double packets_lost = 0;
  double errors = 0;
};
// Nothing if no time has passed between them.
[[nodiscard]] std::optional<Rates> rates_between(const Sample& earlier, const Sample& later);

// A named share of a whole, or a rate.
struct NamedValue {
  std::string name;
  double value = 0;
  double total = 0;  // the growth that the share or rate is made of
};
// Each limit's share of the connections' time between the samples, largest first; zero shares are omitted.
[[nodiscard]] std::vector<NamedValue> limit_shares(const Sample& earlier, const Sample& later);
// Counters of drops, refusals and failures that grew since `first`. `value` is the rate since `earlier`,
// `total` the growth since `first`. Largest rate first.
[[nodiscard]] std::vector<NamedValue> grown_losses(const Sample& first, const Sample& earlier,
                                                   const Sample& later);

// The object of `knul top --once --json`.
[[nodiscard]] nlohmann::ordered_json sample_report(const std::string& address, const Sample& earlier,
                                                   const Sample& later);

}  // namespace knul::cli
