// The delayed tasks of an Application.
#pragma once

#include <functional>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace knul::server {

// Thread: one.
class TimerQueue {
 public:
  void add(base::Instant due, std::function<void()> task) { tasks_.emplace(due, std::move(task)); }
  [[nodiscard]] base::Instant soonest() const {
    return tasks_.empty() ? base::kNever : tasks_.begin()->first;
  }

  // Returns all due tasks, soonest first. Tasks that they add are not among them, so that a task that always
  // adds another does not block its worker.
  std::vector<std::function<void()>> take_due(base::Instant now) {
    const auto end = tasks_.upper_bound(now);
    std::vector<std::function<void()>> due;
    due.reserve(static_cast<std::size_t>(std::distance(tasks_.begin(), end)));  // throws before a move
    for (auto task = tasks_.begin(); task != end; ++task) {
      due.push_back(std::move(task->second));
    }
    tasks_.erase(tasks_.begin(), end);
    return due;
  }

 private:
  std::multimap<base::Instant, std::function<void()>> tasks_;
};

}  // namespace knul::server
