#include "cli/perf_report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/quantity.hpp"

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kGiB = 0x1p30;

bool is_transfer(PerfMode mode) { return mode == PerfMode::kDownload || mode == PerfMode::kUpload; }

struct Figures {
  double seconds = 0;
  double units = 0;
  double per_second = 0;
};

Figures figures_of(const PerfRun& run) {
  Figures figures;
  figures.seconds = run.elapsed().value_or(std::chrono::duration<double>(0)).count();
  figures.units = static_cast<double>(run.units());
  figures.per_second = figures.seconds > 0 ? figures.units / figures.seconds : 0;
  return figures;
}

double quantile_seconds(const PerfRun& run, double fraction) {
  return std::chrono::duration<double>(run.latencies().quantile(fraction)).count();
}

std::string fixed(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

// Text that is stable to read by programs: no more digits than are meant.
double rounded(double value) { return std::stod(fixed(value, 6)); }

std::string rate_text(PerfMode mode, double per_second) {
  if (is_transfer(mode)) {
    return fixed(per_second * 8 / 1e9, 2) + " Gbit/s";
  }
  return format_count(per_second) + " " + std::string(name_of(mode)) + "/s";
}

// "  server CPU 0.61 s (0.61 s/GiB)", or (1.35 us each).
std::string server_text(PerfMode mode, const PerfRun& run) {
  const auto seconds = run.server_cpu_seconds();
  if (!seconds) {
    return {};
  }
  std::string text = "  server CPU " + fixed(*seconds, 2) + " s";
  if (run.units() == 0) {
    return text;
  }
  const double each = *seconds / static_cast<double>(run.units());
  return text + " (" +
         (is_transfer(mode) ? fixed(each * kGiB, 2) + " s/GiB" : format_duration(each) + " each") + ")";
}

}  // namespace

std::string_view name_of(PerfMode mode) {
  switch (mode) {
    case PerfMode::kDownload:
      return "download";
    case PerfMode::kUpload:
      return "upload";
    case PerfMode::kRequests:
      return "requests";
    case PerfMode::kHandshakes:
      break;
  }
  return "handshakes";
}

std::string text_report(const PerfSummary& summary, const PerfRun& run) {
  const Figures figures = figures_of(run);
  std::string text(name_of(summary.mode));
  text.resize(12, ' ');
  text += rate_text(summary.mode, figures.per_second);
  if (is_transfer(summary.mode)) {
    text += "  " + format_bytes(run.units()) + " in " + format_duration(figures.seconds) + "  client CPU " +
            fixed(run.cpu_seconds(), 2) + " s";
    text += figures.units > 0 ? " (" + fixed(run.cpu_seconds() * kGiB / figures.units, 2) + " s/GiB)" : "";
    return text + server_text(summary.mode, run);
  }
  text += "  p50 " + format_duration(quantile_seconds(run, 0.5)) + "  p99 " +
          format_duration(quantile_seconds(run, 0.99)) + "  " + std::to_string(run.units()) + " in " +
          format_duration(figures.seconds) + "  client CPU " + fixed(run.cpu_seconds(), 2) + " s";
  text += figures.units > 0 ? " (" + format_duration(run.cpu_seconds() / figures.units) + " each)" : "";
  text += server_text(summary.mode, run);
  return text + (summary.failed > 0 ? "  " + std::to_string(summary.failed) + " failed" : "");
}

std::string json_report(const PerfSummary& summary, const PerfRun& run) {
  const Figures figures = figures_of(run);
  ordered_json report = {{"mode", name_of(summary.mode)},
                         {"connections", summary.connections},
                         {"parallel", summary.parallel},
                         {"seconds", rounded(figures.seconds)},
                         {"client_cpu_seconds", rounded(run.cpu_seconds())}};
  if (is_transfer(summary.mode)) {
    report["bytes"] = run.units();
    report["gbit_per_second"] = rounded(figures.per_second * 8 / 1e9);
    report["client_cpu_seconds_per_gib"] =
        figures.units > 0 ? rounded(run.cpu_seconds() * kGiB / figures.units) : 0;
  } else {
    const std::string name(name_of(summary.mode));
    report[name] = run.units();
    report[name + "_per_second"] = rounded(figures.per_second);
    report["p50_us"] = rounded(quantile_seconds(run, 0.5) * 1e6);
    report["p99_us"] = rounded(quantile_seconds(run, 0.99) * 1e6);
    report["client_cpu_us_each"] = figures.units > 0 ? rounded(run.cpu_seconds() * 1e6 / figures.units) : 0;
  }
  if (const auto server_seconds = run.server_cpu_seconds()) {
    report["server_cpu_seconds"] = rounded(*server_seconds);
  }
  if (summary.mode == PerfMode::kHandshakes) {
    report["resumed"] = summary.resumed;
    report["failed"] = summary.failed;
  }
  return report.dump();
}

std::string progress_text(PerfMode mode, const PerfRun& run, const PerfGoal& goal) {
  const Figures figures = figures_of(run);
  std::string text(name_of(mode));
  if (!run.elapsed()) {
    return text + "  connecting";
  }
  double share = goal.units && *goal.units > 0 ? figures.units / static_cast<double>(*goal.units) : 0;
  share = goal.duration ? std::max(share, figures.seconds / goal.duration->count()) : share;
  text += "  " + fixed(std::min(share, 1.0) * 100, 0) + " %  " + rate_text(mode, figures.per_second);
  return text;
}

}  // namespace knul::cli
