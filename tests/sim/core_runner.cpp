#include "core_runner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace knul::sim {
namespace {

// A turn that neither receives nor sends is right now and then; hundreds within a millisecond are a worker
// that burns its processor.
constexpr unsigned kMostIdleTurns = 300;
constexpr base::Duration kTimerGrain = std::chrono::microseconds(1);

}  // namespace

CoreRunner::CoreRunner(Network& network, quic::EndpointOptions options,
                       std::unique_ptr<krepis::Application> application, Send send)
    : network_(network), send_(std::move(send)), random_(network.next_seed()) {
  core_ = std::make_unique<server::WorkerCore>(
      std::move(options),
      server::CoreEnvironment{random_, log_, counters_, [this](auto task) { return post(std::move(task)); }},
      std::move(application), network_.now());
  wake();
}

std::optional<unsigned> CoreRunner::receive(const Datagram& datagram) {
  if (core_ == nullptr) {
    return std::nullopt;
  }
  wake();
  idle_turns_ = 0;
  return core_->handle_datagram({{datagram.to, datagram.from}, datagram.ecn, datagram.bytes}, network_.now());
}

void CoreRunner::take_handed_over(const Datagram& datagram) {
  if (core_ != nullptr) {
    wake();
    core_->handle_handed_over({{datagram.to, datagram.from}, datagram.ecn, datagram.bytes}, network_.now());
  }
}

void CoreRunner::connect(const quic::ConnectTarget& target) {
  if (const base::Status status = core_->connect(target, network_.now()); !status) {
    throw std::runtime_error(status.error().message);
  }
  wake();
}

bool CoreRunner::post(std::function<void()> task) {
  network_.at(network_.now(), [this, task = std::move(task)] {
    if (core_ != nullptr) {
      core_->run_posted(task, network_.now());
      wake();
    }
  });
  return core_ != nullptr;
}

void CoreRunner::begin_drain(base::Instant deadline) {
  is_drain_begun_ = true;
  core_->begin_drain(network_.now(), deadline);
  wake();
}

void CoreRunner::wake() {
  if (!is_turn_due_) {
    is_turn_due_ = true;
    network_.at(network_.now(), [this] { turn(); });
  }
}

void CoreRunner::turn() {
  is_turn_due_ = false;
  if (core_ == nullptr) {
    return;
  }
  watch_for_spinning();
  core_->handle_expiry(network_.now());
  core_->finish_input(network_.now());
  send_all();
  core_->finish_input(network_.now());
  if (is_drain_begun_ && core_->is_drained(network_.now())) {
    report_ = core_->drain_report();
    stopped_at_ = network_.now();
    core_.reset();
    return;
  }
  arm(core_->next_expiry());
}

void CoreRunner::send_all() {
  // Big, so one for all hosts of the process.
  thread_local base::SendBatch batch({});
  do {
    batch.clear();
    core_->poll_send(batch, network_.now());
    for (const base::Train& train : batch.trains()) {
      std::span<const std::uint8_t> rest = batch.bytes(train);
      while (!rest.empty()) {
        const auto packet = rest.first(std::min<std::size_t>(rest.size(), train.segment_bytes));
        rest = rest.subspan(packet.size());
        idle_turns_ = 0;
        send_({train.path.local, train.path.remote, train.ecn, {packet.begin(), packet.end()}});
      }
    }
  } while (core_->wants_send());
}

void CoreRunner::arm(base::Instant deadline) {
  if (deadline == base::kNever) {
    return;
  }
  const base::Instant when = std::max(deadline, network_.now() + kTimerGrain);
  if (armed_for_ <= when) {
    return;  // it looks again then
  }
  armed_for_ = when;
  network_.at(when, [this, when] {
    if (armed_for_ == when) {
      armed_for_ = base::kNever;
    }
    wake();
  });
}

void CoreRunner::watch_for_spinning() {
  if (idle_turns_ == 0 || network_.now() - idle_since_ > std::chrono::milliseconds(1)) {
    idle_since_ = network_.now();
    idle_turns_ = 0;
  }
  if (++idle_turns_ > kMostIdleTurns) {
    throw std::runtime_error("a core wakes up again and again without anything to do");
  }
}

}  // namespace knul::sim
