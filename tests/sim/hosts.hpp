// Hosts of the simulated network: a server of one or more workers, and clients.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core_runner.hpp"
#include "quic/wire/steering.hpp"
#include "request_client.hpp"
#include "request_server.hpp"

namespace knul::sim {

// Which worker gets a datagram first.
enum class Routing : std::uint8_t {
  kAsKernel,          // by connection ID, new connections by a hash of the addresses
  kAsKernelButStray,  // the same for new connections; the others come to any worker
  kAllToFirst,        // one shared socket, with quic::Steering::kByConnectionId
};

enum class IpVersion : std::uint8_t { kV4 = 4, kV6 = 6 };

struct ServerSetup {
  IpVersion ip = IpVersion::kV4;  // of the server and of its clients
  unsigned workers = 1;
  Routing routing = Routing::kAsKernel;
  std::function<void(quic::EndpointOptions& options)> change = nullptr;
  // Null: RequestServer.
  std::function<std::unique_ptr<krepis::Application>(unsigned worker)> application = nullptr;
};

// Lifetime: as long as the network runs.
class ServerHost final : public Receiver {
 public:
  ServerHost(Network& network, const ServerSetup& setup);

  void receive(Datagram datagram) override;
  // All workers at once, as QuicServer::stop does.
  void begin_drain(base::Duration deadline);
  // The program dies without a word; a new one with the same secret takes its address.
  void restart();

  [[nodiscard]] bool is_stopped() const;
  // Summed as QuicServer::stop sums it; once all workers have stopped.
  [[nodiscard]] krepis::DrainReport report() const;
  [[nodiscard]] base::Duration stop_took() const;
  [[nodiscard]] std::uint64_t sum(stats::Counter stats::WorkerCounters::*counter) const;
  [[nodiscard]] std::uint64_t sum(stats::Gauge stats::WorkerCounters::*gauge) const;
  [[nodiscard]] CoreRunner& worker(std::size_t index) { return *runners_[index]; }
  [[nodiscard]] const base::SocketAddress& address() const { return address_; }
  [[nodiscard]] IpVersion ip() const { return setup_.ip; }
  [[nodiscard]] const std::shared_ptr<ServerRecord>& record() const { return record_; }

 private:
  void start_workers();
  [[nodiscard]] std::size_t route(const Datagram& datagram);

  Network& network_;
  const ServerSetup setup_;
  const std::vector<sock_filter> steering_program_;
  const base::SocketAddress address_;
  std::mt19937_64 random_;
  std::shared_ptr<ServerRecord> record_ = std::make_shared<ServerRecord>();
  std::vector<std::unique_ptr<CoreRunner>> runners_;
  std::vector<std::unique_ptr<CoreRunner>> dead_;  // their events may still be in the queue
  base::Instant drain_begun_{};
};

struct ClientSetup {
  LinkOptions up = {};
  LinkOptions down = {};
  std::function<void(quic::EndpointOptions& options)> change = nullptr;
  std::unique_ptr<krepis::Application> application = nullptr;  // null: RequestClient
};

// One socket behind a NAT of its own, any number of connections.
class ClientHost final : public Receiver {
 public:
  ClientHost(Network& network, const ServerHost& server, ClientSetup setup, unsigned number);

  void receive(Datagram datagram) override;
  ConnectionRecord& connect(std::vector<Request> requests, WhenDone when_done = WhenDone::kStay);
  // More requests on a connection that is open.
  void request(ConnectionRecord& record, const Request& request);
  // The NAT gives out another port, or another address.
  void rebind_port();
  void rebind_address();
  // From time to time while the network runs.
  void rebind_every(base::Duration interval, void (ClientHost::*rebind)());

  [[nodiscard]] CoreRunner& runner() { return *runner_; }
  [[nodiscard]] AccessLine& line() { return *line_; }
  [[nodiscard]] const stats::WorkerCounters& counters() const { return runner_->counters(); }
  [[nodiscard]] const std::vector<std::unique_ptr<ConnectionRecord>>& records() const { return records_; }
  [[nodiscard]] unsigned rebinds() const { return rebinds_; }

 private:
  Network& network_;
  const IpVersion ip_;
  const base::SocketAddress address_;
  const base::SocketAddress server_;
  unsigned rebinds_ = 0;
  std::vector<std::unique_ptr<ConnectionRecord>> records_;
  RequestClient* program_ = nullptr;  // owned by the runner's core; null: it is another program
  AccessLine* line_ = nullptr;
  std::unique_ptr<CoreRunner> runner_;
};

// Of a private network: 10.0.<number / 250>.<number % 250 + 1>, or fd00::<number + 1>.
[[nodiscard]] base::SocketAddress client_address(unsigned number, IpVersion ip = IpVersion::kV4);

}  // namespace knul::sim
