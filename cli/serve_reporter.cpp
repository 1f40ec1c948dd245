#include "cli/serve_reporter.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/quantity.hpp"

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

ordered_json parsed(const std::string& text) {
  return text.empty() ? ordered_json::object() : ordered_json::parse(text);
}

std::string address_of(const ordered_json& settings, std::uint64_t port) {
  const auto host = settings.at("host").get<std::string>();
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string joined(const ordered_json& names) {
  std::string text;
  for (const ordered_json& name : names) {
    text += (text.empty() ? "" : ", ") + name.get<std::string>();
  }
  return text;
}

class JsonReporter final : public ServeReporter {
 public:
  explicit JsonReporter(OutputWriter& output) : output_(output) {}

  void listening(const std::string& info) override {
    const ordered_json described = parsed(info);
    const ordered_json& settings = described.at("settings");
    emit({{"event", "listening"},
          {"host", settings.at("host")},
          {"port", described.at("port")},
          {"workers", settings.at("workers")},
          {"alpn", settings.at("alpn")},
          {"service", settings.at("service")},
          {"admin", settings.at("admin")},
          {"pid", ::getpid()}});
  }
  void statistics(const std::string& statistics) override {
    emit({{"event", "stats"}, {"stats", parsed(statistics)}}, OutputWriter::Loss::kWhenFull);
  }
  void all_statistics(const std::string& text) override { statistics(text); }
  void reloaded() override { emit({{"event", "reloaded"}}); }
  void reload_failed(const std::string& error) override {
    emit({{"event", "reload_failed"}, {"error", error}});
  }
  void draining(std::uint64_t deadline_ms) override {
    emit({{"event", "draining"}, {"deadline_ms", deadline_ms}});
  }
  void stopped(const std::string& report, const std::string& last_statistics) override {
    ordered_json event = {{"event", "stopped"}};
    event.update(parsed(report));
    event["stats"] = parsed(last_statistics);
    emit(event);
  }
  void forced() override { emit({{"event", "forced"}}); }
  void failed(const Failure& failure) override {
    emit({{"event", "failed"},
          {"error", failure.message},
          {"code", failure.library_code},
          {"exit_code", static_cast<int>(failure.code)}});
  }

 private:
  void emit(const ordered_json& event, OutputWriter::Loss loss = OutputWriter::Loss::kNever) {
    output_.write(event.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n", loss);
  }

  OutputWriter& output_;
};

class TextReporter final : public ServeReporter {
 public:
  TextReporter(OutputWriter& output, LiveLine live) : output_(output), live_(live) {}

  void listening(const std::string& info) override {
    const ordered_json described = parsed(info);
    const ordered_json& settings = described.at("settings");
    const auto service = settings.at("service").get<std::string>();
    line("listening on " + address_of(settings, described.at("port").get<std::uint64_t>()) + ", " +
         settings.at("workers").dump() + " worker(s), ALPN " + joined(settings.at("alpn")) + ", service " +
         service + (service == "none" ? " (the server refuses streams, see --service)" : "") + ", pid " +
         std::to_string(::getpid()));
    if (const auto admin = settings.at("admin").get<std::string>(); !admin.empty()) {
      line("admin listener on " + (admin.starts_with("unix:") ? admin : "http://" + admin + "/"));
    }
  }
  void statistics(const std::string& statistics) override;
  void all_statistics(const std::string& statistics) override;
  void reloaded() override { line("reloaded"); }
  void reload_failed(const std::string& error) override { line("reload failed: " + error); }
  void draining(std::uint64_t deadline_ms) override {
    line("draining for at most " + format_duration(static_cast<double>(deadline_ms) / 1e3) +
         "; a second signal stops at once");
  }
  void stopped(const std::string& report, const std::string& last_statistics) override;
  void forced() override { line("forced: open streams were cut"); }
  void failed(const Failure& /*failure*/) override {}

 private:
  void line(const std::string& text, OutputWriter::Loss loss = OutputWriter::Loss::kNever) {
    output_.write((has_live_line_ ? "\r\x1b[K" : "") + text + "\n", loss);
    has_live_line_ = false;
  }

  OutputWriter& output_;
  LiveLine live_;
  bool has_live_line_ = false;
  ordered_json previous_ = ordered_json::object();
};

double difference(const ordered_json& now, const ordered_json& before, const char* name) {
  return now.value(name, 0.0) - before.value(name, 0.0);
}

void TextReporter::statistics(const std::string& statistics) {
  const ordered_json now = parsed(statistics);
  const double seconds = difference(now, previous_, "uptime_ms") / 1e3;
  const double rate = seconds > 0 ? 1 / seconds : 0;
  const auto bits = [&](const char* name) {
    return format_bit_rate(difference(now, previous_, name) * 8 * rate);
  };
  const std::string text = "connections " + format_count(now.value("active_connections", 0.0)) +
                           "  requests " + format_count(difference(now, previous_, "total_requests") * rate) +
                           "/s  in " + bits("total_bytes_in") + "  out " + bits("total_bytes_out") +
                           "  errors " + format_count(now.value("error_count", 0.0));
  previous_ = now;
  if (live_ == LiveLine::kYes) {
    output_.write("\r" + text + "\x1b[K", OutputWriter::Loss::kWhenFull);
    has_live_line_ = true;
  } else {
    line(text, OutputWriter::Loss::kWhenFull);
  }
}

void TextReporter::all_statistics(const std::string& statistics) {
  std::string text = "statistics (without those that are 0)";
  const ordered_json all = parsed(statistics);
  for (const auto& [name, value] : all.items()) {
    if (!value.is_number() || value.get<double>() != 0) {
      text += "\n  " + name + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  line(text, OutputWriter::Loss::kWhenFull);
}

void TextReporter::stopped(const std::string& report, const std::string& last_statistics) {
  const ordered_json drained = parsed(report);
  const ordered_json total = parsed(last_statistics);
  line(std::string(drained.value("clean", false) ? "stopped; nothing was cut" : "stopped at the deadline") +
       ": " + std::to_string(drained.value("connections_closed", 0ULL)) + " connection(s) closed, " +
       std::to_string(drained.value("streams_completed", 0ULL)) + " stream(s) completed, " +
       std::to_string(drained.value("streams_cut", 0ULL)) + " cut, " +
       format_bytes(drained.value("bytes_unsent", 0ULL)) + " unsent, " +
       std::to_string(drained.value("elapsed_ms", 0ULL)) + " ms");
  line("in total: " + std::to_string(total.value("total_requests", 0ULL)) + " request(s), received " +
       format_bytes(total.value("total_bytes_in", 0ULL)) + ", sent " +
       format_bytes(total.value("total_bytes_out", 0ULL)) + ", mean latency " +
       format_duration(total.value("avg_latency_ms", 0.0) / 1e3) + ", " +
       std::to_string(total.value("error_count", 0ULL)) + " error(s), up " +
       format_duration(total.value("uptime_ms", 0.0) / 1e3));
}

}  // namespace

std::unique_ptr<ServeReporter> json_reporter(OutputWriter& output) {
  return std::make_unique<JsonReporter>(output);
}

std::unique_ptr<ServeReporter> text_reporter(OutputWriter& output, LiveLine live) {
  return std::make_unique<TextReporter>(output, live);
}

}  // namespace knul::cli
