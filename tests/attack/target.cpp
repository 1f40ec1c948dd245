#include "target.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/temporary_folder.h"
#include "support/test_certificates.h"

extern char** environ;

namespace knul::attack {
namespace {

std::vector<std::string> clean_environment(const std::vector<std::string>& more) {
  std::vector<std::string> kept = more;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, "KNUL_", 5) != 0) {
      kept.emplace_back(*entry);
    }
  }
  return kept;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// hq serves small files for the oracle and big ones for those who do not read.
struct Folder {
  test::TemporaryFolder folder;
  KnulTestCertificateFiles files{};
  Folder() {
    if (knul_test_write_certificates(folder.path().c_str(), "attack", nullptr, &files) != 0) {
      throw std::runtime_error("no certificate");
    }
    std::filesystem::create_directory(folder.file("root"));
    std::ofstream(folder.file("root") + "/small") << std::string(100, 's');
    std::ofstream(folder.file("root") + "/big") << std::string(4U << 20, 'b');
  }
};

const Folder& folder() {
  static const Folder made;
  return made;
}

std::vector<std::string> host_command(const TargetOptions& options) {
  nlohmann::json settings = options.settings;
  settings["port"] = 0;
  settings["cert_path"] = folder().files.cert_path;
  settings["key_path"] = folder().files.key_path;
  std::vector<std::string> command{KNUL_ATTACK_HOST, ""};
  if (options.service == "channel" || options.service == "contrary") {
    settings["alpn"] = {"perf"};
    command.push_back(options.service);
  } else {
    settings["service"] = options.service;
  }
  if (options.service == "hq") {
    settings["service_root"] = test_folder() + "/root";
  }
  command[1] = settings.dump();
  return command;
}

}  // namespace

const std::string& test_folder() { return folder().folder.path(); }

ProcessFigures figures_of(pid_t process) {
  const std::string base = "/proc/" + std::to_string(process);
  ProcessFigures figures;
  std::ifstream status(base + "/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    words >> name >> value;
    if (name == "VmRSS:") {
      figures.rss_bytes = value << 10;
    } else if (name == "Threads:") {
      figures.threads = value;
    }
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(base + "/fd", error)) {
    figures.descriptors += entry.path().empty() ? 0 : 1;
  }
  return figures;
}

double cpu_seconds_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream words(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) {
    words >> skipped;
  }
  double user = 0;
  double system = 0;
  words >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Child::Child(const std::vector<std::string>& command, const std::vector<std::string>& environment,
             int standard_error) {
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_child[0], 0);
  posix_spawn_file_actions_adddup2(&actions, from_child[1], 1);
  if (standard_error >= 0) {
    posix_spawn_file_actions_adddup2(&actions, standard_error, 2);
  }
  const std::vector<std::string> variables = clean_environment(environment);
  const int result = posix_spawn(&pid_, command[0].c_str(), &actions, nullptr, pointers_to(command).data(),
                                 pointers_to(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
  if (result != 0) {
    throw std::runtime_error(command[0] + ": " + std::strerror(result));
  }
}

Child::~Child() {
  close(input_);
  close(output_);
  if (is_alive()) {
    kill(pid_, SIGKILL);
    wait_end(30s);
  }
}

bool Child::is_alive() {
  has_ended_ = has_ended_ || waitpid(pid_, &status_, WNOHANG) == pid_;
  return !has_ended_;
}

bool Child::wait_end(std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  while (is_alive() && Clock::now() < end) {
    std::this_thread::sleep_for(5ms);  // there is no wait for a process with a timeout
  }
  return has_ended_;
}

void Child::signal(int number) const { kill(pid_, number); }

void Child::shrink_output(int bytes) const { fcntl(output_, F_SETPIPE_SZ, bytes); }

void Child::write_line(const std::string& line) const {
  const std::string text = line + "\n";
  if (write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("the server does not listen to \"" + line + "\"");
  }
}

std::string Child::read_line(std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  while (unread_.find('\n') == std::string::npos) {
    pollfd source{output_, POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    char buffer[65'536];
    if (left <= 0ms || poll(&source, 1, static_cast<int>(left.count())) <= 0) {
      throw std::runtime_error("the server does not answer");
    }
    const ssize_t got = read(output_, buffer, sizeof buffer);
    if (got <= 0) {
      throw std::runtime_error("the server is gone");
    }
    unread_.append(buffer, static_cast<std::size_t>(got));
  }
  const std::size_t length = unread_.find('\n');
  std::string line = unread_.substr(0, length);
  unread_.erase(0, length + 1);
  return line;
}

Target::Target(const TargetOptions& options)
    : options_(options), child_(host_command(options), {"KNUL_LOG=off"}) {
  port_ = nlohmann::json::parse(child_.read_line())["port"];
}

std::string Target::alpn() const {
  return options_.service == "echo" ? "knul" : options_.service == "hq" ? "hq-interop" : "perf";
}

nlohmann::json Target::ask(const std::string& question) {
  child_.write_line(question);
  return nlohmann::json::parse(child_.read_line());
}

std::uint64_t Target::statistic(const std::string& name) {
  const nlohmann::json all = statistics();
  const auto found = all.find(name);
  return found == all.end() ? 0 : found->get<std::uint64_t>();
}

ProcessFigures Target::figures() {
  ask("trim");
  return figures_of(child_.pid());
}

bool Target::wait(const std::function<bool(const nlohmann::json&)>& condition,
                  std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  while (!condition(statistics())) {
    if (Clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

}  // namespace knul::attack
