#include "server/connection_sweep.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <new>
#include <utility>

#include "posix/clock.hpp"
#include "runtime/completion_latch.hpp"

namespace knul::server {
namespace {

constexpr std::size_t kConnectionsPerTask = 128;
constexpr std::size_t kRowsPerTask = 64;
constexpr base::Duration kLongest = std::chrono::seconds(1);

// Shared with the workers' tasks, because a task may run after the wait for it has timed out.
struct Sweep {
  // Thread: its worker's, until `done` is counted down.
  struct Part {
    explicit Part(const ConnectionQuery& query) : places(query) {}
    FirstPlaces places;
    std::vector<ConnectionQuery::Place> chosen;
    std::vector<ConnectionRow> rows;
    std::size_t rows_asked = 0;  // of `chosen`
    std::uint64_t next = 0;
  };

  Sweep(const ConnectionQuery& asked, std::size_t workers)
      : query(asked), parts(workers, Part(query)), done(workers) {}

  const ConnectionQuery query;
  std::vector<Part> parts;
  std::atomic<bool> is_out_of_memory{false};
  runtime::CompletionLatch done;
};

using SharedSweep = std::shared_ptr<Sweep>;
using Step = bool (*)(Sweep& sweep, Sweep::Part& part, WorkerCore& core);

// Both return true when they are done.
bool choose(Sweep& sweep, Sweep::Part& part, WorkerCore& core) {
  part.next = core.offer_connections(sweep.query, part.next, kConnectionsPerTask, part.places);
  if (part.next == 0) {
    part.chosen = part.places.take();
  }
  return part.next == 0;
}

bool describe(Sweep& /*sweep*/, Sweep::Part& part, WorkerCore& core) {
  const std::span<const ConnectionQuery::Place> left = std::span(part.chosen).subspan(part.rows_asked);
  const auto now = left.first(std::min(left.size(), kRowsPerTask));
  core.append_rows(now, part.rows);
  part.rows_asked += now.size();
  return part.rows_asked == part.chosen.size();
}

// The share of a worker. Its last copy counts the worker as done, also if the worker drops the task.
struct Turn {
  Turn(SharedSweep shared, Worker& of, std::size_t place)
      : sweep(std::move(shared)), worker(of), part(sweep->parts[place]) {}
  ~Turn() { sweep->done.count_down(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  const SharedSweep sweep;
  Worker& worker;
  Sweep::Part& part;
};

// A worker that is stopping refuses the task.
void post(std::shared_ptr<Turn> turn, Step step) {
  Worker& worker = turn->worker;
  (void)worker.post_to_core([turn = std::move(turn), step](WorkerCore& core, base::Instant) {
    try {
      if (!step(*turn->sweep, turn->part, core)) {
        post(turn, step);
      } else if (step == &choose) {
        post(turn, &describe);
      }
    } catch (const std::bad_alloc&) {
      turn->sweep->is_out_of_memory = true;
    }
  });
}

}  // namespace

krepis::Result<ConnectionPage> query_connections(std::span<const std::unique_ptr<Worker>> workers,
                                                 const ConnectionQuery& query) {
  const auto sweep = std::make_shared<Sweep>(query, workers.size());
  for (std::size_t i = 0; i < workers.size(); ++i) {
    post(std::make_shared<Turn>(sweep, *workers[i], i), &choose);
  }
  if (!sweep->done.wait_until(posix::monotonic_now() + kLongest)) {
    return krepis::Error{krepis::ErrorCode::kTimeout,
                         "connections: a worker did not answer within one second"};
  }
  if (sweep->is_out_of_memory) {
    return krepis::Error{krepis::ErrorCode::kOutOfMemory, "connections: no memory for the list"};
  }
  ConnectionPage page;
  std::size_t behind = 0;
  for (Sweep::Part& part : sweep->parts) {
    page.matches += part.places.matches();
    behind += part.places.behind();
    std::ranges::move(part.rows, std::back_inserter(page.rows));
  }
  std::ranges::sort(page.rows, [&](const ConnectionRow& first, const ConnectionRow& second) {
    return query.is_before(first.place, second.place);
  });
  page.rows.resize(std::min(page.rows.size(), query.limit));
  if (behind > query.limit && !page.rows.empty()) {
    page.next = to_text(page.rows.back().place);
  }
  return page;
}

void append_json(std::span<const ConnectionRow> rows, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out += i > 0 ? "," : "";
    append_json(rows[i], out);
  }
  out += ']';
}

void append_json(const ConnectionPage& page, std::string& out) {
  out += "{\"connections\":";
  append_json(page.rows, out);
  out += ",\"matches\":" + std::to_string(page.matches) + ",\"next\":";
  out += page.next.empty() ? "null" : '"' + page.next + '"';
  out += '}';
}

}  // namespace knul::server
