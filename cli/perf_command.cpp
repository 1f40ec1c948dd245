#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/client_flags.hpp"
#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/perf_handshakes.hpp"
#include "cli/perf_report.hpp"
#include "cli/perf_requests.hpp"
#include "cli/perf_run.hpp"
#include "cli/perf_transfer.hpp"
#include "cli/quantity.hpp"
#include "cli/standard_output.hpp"

namespace knul::cli {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{200};
constexpr std::chrono::milliseconds kAnswerPoll{5};
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;
constexpr std::size_t kMostRequestBytes = 64 << 10;

struct PerfFlags {
  ClientFlags client;
  std::string server;
  std::string download;
  std::string upload;
  std::optional<std::uint64_t> requests;
  std::optional<std::uint64_t> handshakes;
  bool resumes = false;
  std::uint64_t connections = 1;
  std::optional<std::uint64_t> active;  // not given: all connections
  std::uint64_t streams = 1;
  std::uint64_t depth = 1;
  std::uint64_t parallel = 1;
  std::string request_bytes = "64";
  std::string response_bytes = "1024";
  std::optional<double> duration_seconds;
  std::optional<pid_t> server_pid;
  std::optional<clockid_t> server_clock;  // of server_pid
};

struct Measurement {
  explicit Measurement(const PerfFlags& flags) : run(std::make_shared<PerfRun>(flags.server_clock)) {}

  PerfSummary summary;
  PerfGoal goal;
  std::shared_ptr<PerfRun> run;
  std::unique_ptr<PerfApplication> application;
};

// 0 means no end of its own, which needs a duration.
std::uint64_t limit_of(std::uint64_t units) { return units == 0 ? kNoLimit : units; }

// Of a text that the flag's check has accepted.
std::uint64_t bytes_of(const std::string& text) { return parse_bytes(text).value_or(0); }

std::optional<std::uint64_t> goal_of(std::uint64_t units) {
  return units == 0 ? std::nullopt : std::optional(units);
}

Measurement transfer(const PerfFlags& flags, const Destination& to, TransferDirection direction,
                     std::uint64_t bytes) {
  Measurement made(flags);
  made.summary = {.mode = direction == TransferDirection::kDownload ? PerfMode::kDownload : PerfMode::kUpload,
                  .connections = flags.connections,
                  .parallel = flags.streams};
  made.goal.units = bytes < kNoLimit / flags.connections ? goal_of(bytes * flags.connections) : std::nullopt;
  made.application = std::make_unique<TransferApplication>(made.run, to,
                                                           TransferPlan{.direction = direction,
                                                                        .connections = flags.connections,
                                                                        .streams = flags.streams,
                                                                        .bytes = limit_of(bytes)});
  return made;
}

std::uint64_t active_of(const PerfFlags& flags) { return flags.active.value_or(flags.connections); }

Measurement requests(const PerfFlags& flags, const Destination& to) {
  Measurement made(flags);
  made.summary = {.mode = PerfMode::kRequests, .connections = flags.connections, .parallel = flags.depth};
  made.goal.units = goal_of(*flags.requests);
  made.application =
      std::make_unique<RequestApplication>(made.run, to,
                                           RequestPlan{.connections = flags.connections,
                                                       .active = active_of(flags),
                                                       .depth = flags.depth,
                                                       .requests = limit_of(*flags.requests),
                                                       .request_bytes = bytes_of(flags.request_bytes),
                                                       .response_bytes = bytes_of(flags.response_bytes)});
  return made;
}

Measurement handshakes(const PerfFlags& flags, const Destination& to) {
  Measurement made(flags);
  made.summary = {.mode = PerfMode::kHandshakes, .connections = 1, .parallel = flags.parallel};
  made.goal.units = goal_of(*flags.handshakes);
  made.application = std::make_unique<HandshakeApplication>(
      made.run, to,
      HandshakePlan{
          .parallel = flags.parallel, .handshakes = limit_of(*flags.handshakes), .resumes = flags.resumes});
  return made;
}

// Waits until the run ends, at most for the duration, and shows its progress.
void watch(const Measurement& measurement, krepis::QuicClient& client) {
  const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
  const PerfGoal& goal = measurement.goal;
  bool is_ending = false;
  while (!measurement.run->wait_for(kProgressInterval)) {
    const auto elapsed = measurement.run->elapsed();
    if (!is_ending && goal.duration && elapsed && *elapsed >= *goal.duration) {
      // On the client's thread, so that nothing is recorded after the end.
      is_ending = client.post([run = measurement.run] { run->finish_early(); });
    }
    if (shows_progress) {
      std::fprintf(stderr, "\r%s\x1b[K",
                   progress_text(measurement.summary.mode, *measurement.run, goal).c_str());
    }
  }
  if (shows_progress) {
    std::fputs("\r\x1b[K", stderr);
  }
}

// False: the server has sent nothing for `patience`, although work is unfinished. Without this check a server
// that has died would only look slow.
bool answers(const PerfRun& run, std::chrono::milliseconds patience) {
  const auto end = PerfRun::Clock::now() + patience;
  while (!run.is_server_alive()) {
    if (PerfRun::Clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(kAnswerPoll);
  }
  return true;
}

// Lifetime: the client's thread, and with it the application, ends before this returns.
CommandResult measure(Measurement measurement, const PerfFlags& flags, const Destination& to) {
  PerfApplication* const application = measurement.application.get();
  krepis::ClientOptions options = client_options(flags.client, to);
  options.resume_sessions = flags.resumes;
  auto started = krepis::QuicClient::start(options, std::move(measurement.application));
  if (!started) {
    return start_failure(started.error());
  }
  const std::unique_ptr<krepis::QuicClient> client = *std::move(started);
  const auto connect = [&client = *client, &to](std::uint64_t context) {
    return client.connect(to.address, to.port, to.server_name, context);
  };
  if (!client->post([application, connect] { application->start(connect); })) {
    return run_failure("the client has stopped");
  }
  watch(measurement, *client);
  if (!measurement.run->failure().empty()) {
    return run_failure(measurement.run->failure());
  }
  if (!answers(*measurement.run, std::chrono::milliseconds(flags.client.connect_timeout_ms))) {
    return run_failure(to.shown + ": the server has stopped answering");
  }
  if (const auto* const made = dynamic_cast<HandshakeApplication*>(application); made != nullptr) {
    measurement.summary.failed = made->failed();
    measurement.summary.resumed = made->resumed();
  }
  const std::string report = flags.client.json ? json_report(measurement.summary, *measurement.run)
                                               : text_report(measurement.summary, *measurement.run);
  if (auto printed = print(report + "\n"); !printed) {
    return std::move(printed).error();
  }
  return measurement.summary.failed > 0 ? ExitCode::kFailure : ExitCode::kSuccess;
}

Outcome<void> check(const PerfFlags& flags) {
  const bool has_mode =
      !flags.download.empty() || !flags.upload.empty() || flags.requests || flags.handshakes;
  if (!has_mode) {
    return usage_failure("no measurement given; expected --download, --upload, --requests or --handshakes");
  }
  const bool is_endless = parse_bytes(flags.download) == 0U || parse_bytes(flags.upload) == 0U ||
                          flags.requests == 0U || flags.handshakes == 0U;
  if (active_of(flags) > flags.connections) {
    return usage_failure("--active is above --connections, expected at most " +
                         std::to_string(flags.connections));
  }
  if (is_endless && !flags.duration_seconds) {
    return usage_failure("0 means no limit and needs --duration");
  }
  return {};
}

// In the order in which they run.
std::vector<Measurement> plan(const PerfFlags& flags, const Destination& to) {
  std::vector<Measurement> measurements;
  if (const auto bytes = parse_bytes(flags.download)) {
    measurements.push_back(transfer(flags, to, TransferDirection::kDownload, *bytes));
  }
  if (const auto bytes = parse_bytes(flags.upload)) {
    measurements.push_back(transfer(flags, to, TransferDirection::kUpload, *bytes));
  }
  if (flags.requests) {
    measurements.push_back(requests(flags, to));
  }
  if (flags.handshakes) {
    measurements.push_back(handshakes(flags, to));
  }
  return measurements;
}

Outcome<void> find_server_clock(PerfFlags& flags) {
  clockid_t clock{};
  if (flags.server_pid && ::clock_getcpuclockid(*flags.server_pid, &clock) != 0) {
    return usage_failure("--server-pid: there is no process " + std::to_string(*flags.server_pid));
  }
  flags.server_clock = flags.server_pid ? std::optional(clock) : std::nullopt;
  return {};
}

CommandResult perf(PerfFlags& flags) {
  if (auto checked = check(flags); !checked) {
    return std::move(checked).error();
  }
  if (auto found = find_server_clock(flags); !found) {
    return std::move(found).error();
  }
  const auto server = parse_host_port(flags.server);
  if (!server) {
    return server.error();
  }
  const auto to = find_destination(*server, flags.client);
  if (!to) {
    return to.error();
  }
  auto measurements = plan(flags, *to);
  CommandResult result = ExitCode::kSuccess;
  for (Measurement& measurement : measurements) {
    if (flags.duration_seconds) {
      measurement.goal.duration = std::chrono::duration<double>(*flags.duration_seconds);
    }
    result = measure(std::move(measurement), flags, *to);
    if (!result || *result != ExitCode::kSuccess) {
      break;
    }
  }
  return result;
}

void add_work_flags(CLI::App& command, PerfFlags& flags) {
  command
      .add_option("--download", flags.download,
                  "Bytes to receive over each connection, such as 1500, 64K or 10G")
      ->type_name("BYTES")
      ->check(bytes(0, kNoLimit));
  command.add_option("--upload", flags.upload, "Bytes to send over each connection")
      ->type_name("BYTES")
      ->check(bytes(0, kNoLimit));
  command.add_option("--requests", flags.requests, "Requests to make in total, each on its own stream")
      ->type_name("N")
      ->transform(whole_number(0, kNoLimit));
  CLI::Option* const handshakes =
      command.add_option("--handshakes", flags.handshakes, "Connections to open and close")
          ->type_name("N")
          ->transform(whole_number(0, kNoLimit));
  command.add_flag("--resume", flags.resumes, "Resume a session in each handshake of --handshakes")
      ->needs(handshakes);
  command.add_option("--duration", flags.duration_seconds, "Longest duration of each measurement")
      ->type_name("SECONDS")
      ->check(decimal(0.1, 86'400));
  command
      .add_option("--server-pid", flags.server_pid,
                  "Process ID of a server on this machine; reports its CPU time too")
      ->type_name("PID")
      ->transform(whole_number(1, std::numeric_limits<pid_t>::max()));
}

void add_shape_flags(CLI::App& command, PerfFlags& flags) {
  const auto count = [&command](const char* name, std::uint64_t& value, const char* doc, std::uint64_t most) {
    command.add_option(name, value, doc)
        ->type_name("N")
        ->transform(whole_number(1, most))
        ->capture_default_str();
  };
  count("--connections", flags.connections, "Connections of a download, an upload or the requests", 100'000);
  count("--streams", flags.streams, "Streams per connection that share a download or an upload", 1'000'000);
  count("--depth", flags.depth, "Requests in flight per connection", 1'000'000);
  command
      .add_option("--active", flags.active,
                  "Connections that make --depth requests at the same time, in turns; default: all")
      ->type_name("N")
      ->transform(whole_number(1, 100'000));
  count("--parallel", flags.parallel, "Handshakes at the same time", 100'000);
  command.add_option("--request-bytes", flags.request_bytes, "Bytes of a request")
      ->type_name("BYTES")
      ->check(bytes(kPerfHeaderBytes, kMostRequestBytes))
      ->capture_default_str();
  command.add_option("--response-bytes", flags.response_bytes, "Bytes of an answer")
      ->type_name("BYTES")
      ->check(bytes(0, kNoLimit))
      ->capture_default_str();
}

}  // namespace

void add_perf_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<PerfFlags>();
  flags->client.alpn = "perf";
  CLI::App* const command = app.add_subcommand("perf", "Measure a server that runs the service perf");
  command->add_option("SERVER", flags->server, "HOST:PORT, or [ADDRESS]:PORT for IPv6")->required();
  add_work_flags(*command, *flags);
  add_shape_flags(*command, *flags);
  add_client_flags(*command, flags->client);
  command->footer(
      "Several measurements run in this order: download, upload, requests, handshakes. 0 bytes, "
      "requests\n"
      "or handshakes mean no limit and need --duration. The protocol is draft-banks-quic-performance.\n"
      "Exit codes: 0 measured, 1 failed, 2 wrong usage.");
  command->callback([flags, &result] { result = perf(*flags); });
}

}  // namespace knul::cli
