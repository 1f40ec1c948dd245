// The server under attack: another process, with real sockets, which answers questions about itself.
#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "udp.hpp"

namespace knul::attack {

// What a process holds, by /proc.
struct ProcessFigures {
  std::uint64_t rss_bytes = 0, descriptors = 0, threads = 0;
};
ProcessFigures figures_of(pid_t process);
// User and system time so far.
double cpu_seconds_of(pid_t process);

// A child process and the two pipes to it. Standard error is inherited, or given.
class Child {
 public:
  Child(const std::vector<std::string>& command, const std::vector<std::string>& environment,
        int standard_error = -1);
  // Kills it.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_alive();
  void write_line(const std::string& line) const;
  // Throws after `patience`, or at the end of the output.
  std::string read_line(std::chrono::milliseconds patience = 30s);
  void signal(int number) const;
  // Of the pipe that its standard output is.
  void shrink_output(int bytes) const;
  // True when it ends within `patience`.
  bool wait_end(std::chrono::milliseconds patience);
  [[nodiscard]] int status() const { return status_; }

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1, status_ = 0;
  bool has_ended_ = false;
  std::string unread_;
};

struct TargetOptions {
  // "channel" and "contrary": a program behind a channel, see host.cpp; both answer as perf does.
  std::string service = "perf";
  nlohmann::json settings = nlohmann::json::object();
  friend bool operator==(const TargetOptions&, const TargetOptions&) = default;
};

class Target {
 public:
  explicit Target(const TargetOptions& options);

  [[nodiscard]] const TargetOptions& options() const { return options_; }
  [[nodiscard]] Address address() const { return {1, port_}; }
  [[nodiscard]] std::string alpn() const;
  [[nodiscard]] bool is_alive() { return child_.is_alive(); }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  nlohmann::json ask(const std::string& question);
  // The same without waiting for the answer.
  void tell(const std::string& order) const { child_.write_line(order); }
  nlohmann::json statistics() { return ask("stats"); }
  std::uint64_t statistic(const std::string& name);
  // After it has given unused memory back.
  ProcessFigures figures();
  // Asks until the condition holds; false after `patience`.
  bool wait(const std::function<bool(const nlohmann::json&)>& condition,
            std::chrono::milliseconds patience = 10s);

 private:
  TargetOptions options_;
  Child child_;
  std::uint16_t port_ = 0;
};

// Folder with the certificate and the files of the service hq; removed at the end of the program.
const std::string& test_folder();

}  // namespace knul::attack
