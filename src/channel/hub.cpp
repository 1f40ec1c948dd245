#include "channel/hub.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "channel/application.hpp"

namespace knul::channel {
namespace {

using krepis::Error;
using krepis::ErrorCode;

// The number of workers that have answered. Lifetime: shared with tasks that may run after the wait.
struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t count = 0;
};

}  // namespace

krepis::ApplicationFactory Hub::factory() {
  return [self = shared_from_this()](unsigned /*worker*/) -> std::unique_ptr<krepis::Application> {
    auto link = std::make_shared<WorkerLink>();
    const std::lock_guard lock(self->mutex_);
    self->links_.push_back(link);
    return std::make_unique<Application>(self, std::move(link));
  };
}

krepis::Result<std::shared_ptr<Channel>> Hub::open(Settings settings) {
  std::vector<std::shared_ptr<WorkerLink>> links;
  {
    const std::lock_guard lock(mutex_);
    links = links_;
  }
  auto core = Core::create(std::move(settings), std::move(links), share_);
  if (!core) {
    return std::move(core).error();
  }
  auto channel = std::make_shared<Channel>(*std::move(core), weak_from_this());
  if (auto added = add(channel); !added) {
    return std::move(added).error();
  }
  if (!announce(channel)) {
    (void)channel->close();
    return Error{ErrorCode::kTimeout, "a worker did not answer within a second"};
  }
  return channel;
}

krepis::Result<void> Hub::add(const std::shared_ptr<Channel>& channel) {
  const std::lock_guard lock(mutex_);
  if (is_draining_) {
    return Error{ErrorCode::kInvalidContext, "the server is draining"};
  }
  if (channels_.size() >= kMostChannels) {
    return Error{ErrorCode::kConcurrencyLimitExceeded, "the server has 64 open channels, the maximum"};
  }
  channels_.push_back(channel);
  std::erase_if(mapped_, [](const auto& known) { return known.expired(); });
  mapped_.push_back(channel);
  has_had_channel_.store(true, std::memory_order_release);
  return {};
}

bool Hub::announce(const std::shared_ptr<Channel>& channel) {
  const auto answers = std::make_shared<Answers>();
  const std::vector<std::shared_ptr<WorkerLink>>& links = channel->core().links;
  for (const auto& link : links) {
    const bool is_posted = link->post([channel, answers](Application& application) {
      application.adopt(channel);
      const std::lock_guard lock(answers->mutex);
      ++answers->count;
      answers->changed.notify_all();
    });
    if (!is_posted) {
      return false;
    }
  }
  std::unique_lock lock(answers->mutex);
  // By the system clock, because ThreadSanitizer of gcc 12 does not know waits on the steady clock.
  return answers->changed.wait_until(lock, std::chrono::system_clock::now() + std::chrono::seconds(1),
                                     [&] { return answers->count == links.size(); });
}

void Hub::remove(const Channel& channel) {
  const std::lock_guard lock(mutex_);
  std::erase_if(channels_, [&](const auto& known) { return known.get() == &channel; });
}

void Hub::begin_drain() {
  const std::lock_guard lock(mutex_);
  is_draining_ = true;
}

krepis::ApplicationMemory Hub::memory() const {
  krepis::ApplicationMemory memory;
  memory.queued_bytes = share_->writes.used_bytes();
  memory.datagrams_dropped = share_->datagrams_dropped.load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  for (const auto& known : mapped_) {
    if (const auto channel = known.lock()) {
      channel->add_to(memory);
    }
  }
  return memory;
}

void Hub::publish_stopped(std::uint32_t code, std::string_view report) {
  std::vector<std::shared_ptr<Channel>> channels;
  {
    const std::lock_guard lock(mutex_);
    channels.swap(channels_);
  }
  for (const auto& channel : channels) {
    channel->publish_stopped(code, report);
  }
}

}  // namespace knul::channel
