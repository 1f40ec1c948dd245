// A server, clients and the network between them, from one seed; and how tests run over several seeds.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "hosts.hpp"

namespace knul::sim {

using namespace std::chrono_literals;

constexpr std::uint64_t kMegabyte = 1'000'000;

// For scenarios in which a handshake may take long and is not what is looked at.
inline void be_patient(quic::EndpointOptions& options) {
  options.transport.handshake_timeout = 300s;
  options.transport.idle_timeout = 300s;
}

struct World {
  World(std::uint64_t seed, const ServerSetup& setup) : network(seed), server(network, setup) {}
  explicit World(std::uint64_t seed) : World(seed, ServerSetup{}) {}

  ClientHost& add_client(ClientSetup setup = {}) {
    clients.push_back(std::make_unique<ClientHost>(network, server, std::move(setup),
                                                   static_cast<unsigned>(clients.size())));
    return *clients.back();
  }
  // `change` is applied to both directions of every line.
  std::vector<ClientHost*> add_clients(std::size_t count, const LinkOptions& both_ways) {
    std::vector<ClientHost*> added;
    for (std::size_t i = 0; i < count; ++i) {
      added.push_back(&add_client({.up = both_ways, .down = both_ways}));
    }
    return added;
  }
  [[nodiscard]] bool run_until(const std::function<bool()>& is_done, base::Duration limit) {
    return network.run_until(is_done, limit);
  }
  [[nodiscard]] bool run_until_done(const ConnectionRecord& record, base::Duration limit) {
    return network.run_until([&] { return record.is_done() || record.closed.has_value(); }, limit) &&
           record.is_done();
  }
  // Every connection of every client.
  template <class Predicate>
  [[nodiscard]] std::size_t count(Predicate predicate) const {
    std::size_t found = 0;
    for (const auto& client : clients) {
      for (const auto& record : client->records()) {
        found += predicate(*record) ? 1 : 0;
      }
    }
    return found;
  }

  Network network;
  ServerHost server;
  std::vector<std::unique_ptr<ClientHost>> clients;
};

// Sanitizers make everything five to twenty times as slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;
#elif defined(__has_feature)  // clang
constexpr bool kIsSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kIsSanitized = false;
#endif

// The scenarios of a suite, over IPv4 and over IPv6.
class OverBoth : public testing::TestWithParam<IpVersion> {};
inline const auto kBothIpVersions = testing::Values(IpVersion::kV4, IpVersion::kV6);
inline std::string name_of(const testing::TestParamInfo<IpVersion>& info) {
  return info.param == IpVersion::kV4 ? "IPv4" : "IPv6";
}

// Runs `scenario` with seeds 1 to `usual`, with one seed under sanitizers. KNUL_SIM_SEED=n runs that seed
// alone, KNUL_SIM_SEEDS=n the seeds 1 to n. A failure names its seed and ends the test.
void for_each_seed(unsigned usual, const std::function<void(std::uint64_t seed)>& scenario);

}  // namespace knul::sim
