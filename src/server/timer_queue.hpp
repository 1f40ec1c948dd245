// What an Application asked to be called for later.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "base/time.hpp"

namespace knul::server {

// Thread: one.
class TimerQueue {
 public:
  void add(base::Instant due, std::function<void()> task) { tasks_.emplace(due, std::move(task)); }
  [[nodiscard]] base::Instant soonest() const {
    return tasks_.empty() ? base::kNever : tasks_.begin()->first;
  }

  // The soonest task if it is due, else an empty function.
  std::function<void()> take_due(base::Instant now) {
    if (soonest() > now) {
      return {};
    }
    std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    return task;
  }

 private:
  std::multimap<base::Instant, std::function<void()>> tasks_;
};

}  // namespace knul::server
