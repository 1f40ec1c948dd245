#include "channel/core.hpp"

#include <algorithm>
#include <utility>

#include "channel/connection_facts.hpp"

namespace knul::channel {

krepis::Result<std::unique_ptr<Core>> Core::create(Settings settings,
                                                   std::vector<std::shared_ptr<WorkerLink>> links,
                                                   std::shared_ptr<ServerShare> server) {
  const RegionLayout layout = RegionLayout::make(links.size(), settings.ring_records, settings.arena_bytes);
  auto region = posix::Mapping::create(layout.bytes);
  auto granules = posix::Mapping::create(layout.granules() * sizeof(Granule));
  auto owners = posix::Mapping::create(layout.granules() * sizeof(RangeOwner));
  if (!region || !granules || !owners) {
    return krepis::Error{krepis::ErrorCode::kOutOfMemory,
                         "no memory for a region of " + std::to_string(layout.bytes) + " bytes"};
  }
  std::unique_ptr<Core> core(new Core(std::move(settings), layout, std::move(links), std::move(server),
                                      *std::move(region), *std::move(granules), *std::move(owners)));
  if (auto opened = core->wake.open(core->settings.wake, core->settings.wake_path); !opened) {
    return std::move(opened).error();
  }
  return core;
}

Core::Core(Settings given, const RegionLayout& planned, std::vector<std::shared_ptr<WorkerLink>> to_workers,
           std::shared_ptr<ServerShare> of_server, posix::Mapping region_memory, posix::Mapping granule_bytes,
           posix::Mapping owner_bytes)
    : settings(std::move(given)),
      layout(planned),
      links(std::move(to_workers)),
      server(std::move(of_server)),
      region(std::move(region_memory)),
      granule_memory(std::move(granule_bytes)),
      owner_memory(std::move(owner_bytes)),
      table(links.size() + 1),
      mailboxes(links.size()),
      waits_for_head(links.size()),
      backlogs(links.size()),
      free_blocks(links.size()) {
  for (std::size_t i = 0; i < links.size(); ++i) {
    rings.emplace_back(region.data() + i * layout.ring_stride, layout.ring_records, granules());
    free_blocks[i].store(static_cast<std::uint32_t>(layout.blocks_per_worker), std::memory_order_relaxed);
  }
}

Core::~Core() = default;

// Invariant: no mail stays unread. The program adds mail and then exchanges is_notified; the worker exchanges
// is_notified and then reads the mail. If the program's exchange returns true, the worker's next exchange
// reads the value that the program stored, so the worker sees the mail.
void Core::notify_worker(std::size_t worker) {
  std::atomic<bool>& is_notified = mailboxes[worker].is_notified;
  if (!is_notified.exchange(true) && !links[worker]->wake()) {
    is_notified.store(false);
  }
}

std::uint64_t Core::activity() const {
  std::uint64_t signs = calls.load(std::memory_order_relaxed);
  for (const EventRing& ring : rings) {
    signs += ring.head();
  }
  return signs;
}

bool Core::keeps_up(std::chrono::nanoseconds now) const {
  constexpr auto kAge = std::chrono::seconds(1);
  return std::ranges::none_of(rings, [=](const EventRing& ring) { return ring.is_behind(now, kAge); });
}

void Core::notify_workers() {
  for (std::size_t i = 0; i < workers(); ++i) {
    notify_worker(i);
  }
}

}  // namespace knul::channel
