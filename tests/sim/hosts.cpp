#include "hosts.hpp"

#include <numeric>
#include <tuple>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/memory/poisoning_pages_test_support.hpp"
#include "quic/wire/filter_interpreter_test_support.hpp"

namespace knul::sim {
namespace {

base::SocketAddress address_of(IpVersion ip, const std::string& v4, const std::string& v6,
                               std::uint16_t port) {
  return *base::SocketAddress::parse(ip == IpVersion::kV4 ? v4 : v6, port);
}

quic::EndpointOptions base_options() {
  quic::EndpointOptions options;
  options.static_secret.assign(32, 7);
  // Soon, so that connections hibernate in every scenario.
  options.transport.hibernate_after = std::chrono::milliseconds(20);
  options.pages = &quic::PoisoningPages::shared();
  return options;
}

}  // namespace

base::SocketAddress client_address(unsigned number, IpVersion ip) {
  const std::string v4 = "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
  return address_of(ip, v4, "fd00::" + std::to_string(number + 1), 40'000);
}

ServerHost::ServerHost(Network& network, const ServerSetup& setup)
    : network_(network),
      setup_(setup),
      steering_program_(quic::steering_program(setup.workers)),
      address_(address_of(setup.ip, "192.0.2.1", "2001:db8::1", 4'433)),
      random_(network.next_seed()) {
  network.attach(address_, *this);
  start_workers();
}

void ServerHost::start_workers() {
  static const std::shared_ptr<const quic::TlsServerContext> tls = quic::EndpointPair::server_tls({"knul"});
  for (unsigned i = 0; i < setup_.workers; ++i) {
    quic::EndpointOptions options = base_options();
    options.worker = i;
    options.workers = setup_.workers;
    options.steering =
        setup_.routing == Routing::kAllToFirst ? quic::Steering::kByConnectionId : quic::Steering::kByKernel;
    options.server_tls = tls;
    if (setup_.change) {
      setup_.change(options);
    }
    std::unique_ptr<krepis::Application> application =
        setup_.application ? setup_.application(i) : std::make_unique<RequestServer>(record_);
    runners_.push_back(
        std::make_unique<CoreRunner>(network_, std::move(options), std::move(application),
                                     [this](Datagram datagram) { network_.send(std::move(datagram)); }));
  }
}

void ServerHost::receive(Datagram datagram) {
  const std::size_t first = route(datagram);
  const std::optional<unsigned> owner = runners_[first]->receive(datagram);
  if (owner.has_value()) {
    network_.after(std::chrono::microseconds(20), [this, owner = *owner, datagram = std::move(datagram)] {
      runners_[owner]->take_handed_over(datagram);
    });
  }
}

std::size_t ServerHost::route(const Datagram& datagram) {
  if (setup_.routing == Routing::kAllToFirst) {
    return 0;
  }
  const std::uint32_t named = quic::run_filter(steering_program_, datagram.bytes).value();
  if (named != quic::kNoWorker) {
    return setup_.routing == Routing::kAsKernelButStray ? random_() % setup_.workers : named;
  }
  const std::span<const std::uint8_t> ip = datagram.from.ip_bytes();
  const unsigned sum = std::accumulate(ip.begin(), ip.end(), unsigned{datagram.from.port()});
  return sum % setup_.workers;
}

void ServerHost::begin_drain(base::Duration deadline) {
  drain_begun_ = network_.now();
  for (const auto& runner : runners_) {
    runner->begin_drain(network_.now() + deadline);
  }
}

void ServerHost::restart() {
  for (auto& runner : runners_) {
    dead_.push_back(std::move(runner));
    dead_.back()->kill();
  }
  runners_.clear();
  start_workers();
}

bool ServerHost::is_stopped() const {
  return std::ranges::none_of(runners_, [](const auto& runner) { return runner->is_running(); });
}

krepis::DrainReport ServerHost::report() const {
  krepis::DrainReport total;
  for (const auto& runner : runners_) {
    const krepis::DrainReport& part = runner->report();
    total.connections_closed += part.connections_closed;
    total.streams_completed += part.streams_completed;
    total.streams_cut += part.streams_cut;
    total.bytes_unsent += part.bytes_unsent;
  }
  total.clean = total.streams_cut == 0 && total.bytes_unsent == 0;
  return total;
}

base::Duration ServerHost::stop_took() const {
  base::Instant last = drain_begun_;
  for (const auto& runner : runners_) {
    last = std::max(last, runner->stopped_at());
  }
  return last - drain_begun_;
}

std::uint64_t ServerHost::sum(stats::Counter stats::WorkerCounters::*counter) const {
  return std::accumulate(
      runners_.begin(), runners_.end(), std::uint64_t{0},
      [&](std::uint64_t total, const auto& runner) { return total + (runner->counters().*counter).load(); });
}

std::uint64_t ServerHost::sum(stats::Gauge stats::WorkerCounters::*gauge) const {
  return std::accumulate(
      runners_.begin(), runners_.end(), std::uint64_t{0},
      [&](std::uint64_t total, const auto& runner) { return total + (runner->counters().*gauge).load(); });
}

ClientHost::ClientHost(Network& network, const ServerHost& server, ClientSetup setup, unsigned number)
    : network_(network), ip_(server.ip()), address_(client_address(number, ip_)), server_(server.address()) {
  static const std::shared_ptr<const quic::TlsClientContext> tls = quic::EndpointPair::client_tls({"knul"});
  line_ = &network.attach(address_, *this, setup.up, setup.down);
  quic::EndpointOptions options = base_options();
  options.client_tls = tls;
  options.max_half_open = ~std::uint64_t{0};
  if (setup.change) {
    setup.change(options);
  }
  if (setup.application == nullptr) {
    auto program = std::make_unique<RequestClient>(records_);
    program_ = program.get();
    setup.application = std::move(program);
  }
  runner_ = std::make_unique<CoreRunner>(network, std::move(options), std::move(setup.application),
                                         [this](Datagram datagram) { network_.send(std::move(datagram)); });
}

void ClientHost::receive(Datagram datagram) { std::ignore = runner_->receive(datagram); }

ConnectionRecord& ClientHost::connect(std::vector<Request> requests, WhenDone when_done) {
  records_.push_back(std::make_unique<ConnectionRecord>());
  ConnectionRecord& record = *records_.back();
  record.requests = std::move(requests);
  record.when_done = when_done;
  record.begun_at = network_.now().time_since_epoch();
  runner_->connect({{address_, server_}, "localhost", records_.size() - 1});
  return record;
}

void ClientHost::request(ConnectionRecord& record, const Request& request) {
  // Exchanges point at earlier ones.
  if (record.requests.size() == record.requests.capacity()) {
    throw std::logic_error("reserve room for the requests of a connection before it opens");
  }
  record.requests.push_back(request);
  runner_->post([this, &record] {
    if (record.connection != nullptr) {
      program_->start_requests(*record.connection);
    }
  });
}

void ClientHost::rebind_port() {
  ++rebinds_;
  base::SocketAddress next = line_->outside_address;
  next.set_port(static_cast<std::uint16_t>(next.port() + 1));
  network_.rebind(*line_, next);
}

void ClientHost::rebind_address() {
  ++rebinds_;
  const std::string number = std::to_string(rebinds_ % 250 + 1);
  network_.rebind(*line_, address_of(ip_, "203.0.113." + number, "2001:db8:1::" + number, 40'000));
}

void ClientHost::rebind_every(base::Duration interval, void (ClientHost::*rebind)()) {
  network_.after(interval, [this, interval, rebind] {
    (this->*rebind)();
    rebind_every(interval, rebind);
  });
}

}  // namespace knul::sim
