#include "cli/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "cli/number.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;

std::string value_of(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::optional<milliseconds> watchdog_of(const std::map<std::string, std::string>& environment) {
  const std::string pid = value_of(environment, "WATCHDOG_PID");
  const auto microseconds = parse_whole_number(value_of(environment, "WATCHDOG_USEC"));
  const bool is_for_us = pid.empty() || parse_whole_number(pid) == static_cast<std::uint64_t>(::getpid());
  if (!is_for_us || microseconds.value_or(0) == 0) {
    return std::nullopt;
  }
  constexpr std::uint64_t kLongest = 24ULL * 3'600'000;
  return milliseconds(std::clamp<std::uint64_t>(*microseconds / 2'000, 1, kLongest));
}

std::uint64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

// A status is one line of the message.
std::string status_line(std::string_view status) {
  std::string line = "STATUS=" + std::string(status);
  std::ranges::replace(line, '\n', ' ');
  return line;
}

std::string extension_line(std::chrono::seconds extension) {
  return "EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(extension).count());
}

}  // namespace

ServiceManager::ServiceManager(const std::map<std::string, std::string>& environment)
    : address_(value_of(environment, "NOTIFY_SOCKET")), watchdog_(watchdog_of(environment)) {
  if (address_.empty()) {
    watchdog_.reset();
    return;
  }
  if ((address_[0] != '/' && address_[0] != '@') || address_.size() >= sizeof(sockaddr_un::sun_path)) {
    std::fprintf(stderr, "knul: NOTIFY_SOCKET is \"%s\", expected a path or an abstract name of a socket\n",
                 address_.c_str());
    watchdog_.reset();
    return;
  }
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const timeval longest{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
}

ServiceManager::~ServiceManager() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void ServiceManager::ready(std::string_view status) { send("READY=1\n" + status_line(status)); }

// MONOTONIC_USEC is required by Type=notify-reload.
void ServiceManager::reloading() {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()));
}

void ServiceManager::stopping(std::string_view status, std::optional<std::chrono::seconds> extension) {
  send("STOPPING=1\n" + status_line(status) + (extension ? "\n" + extension_line(*extension) : ""));
}

void ServiceManager::status(std::string_view status) { send(status_line(status)); }

void ServiceManager::extend(std::chrono::seconds extension) { send(extension_line(extension)); }

void ServiceManager::keep_alive() { send("WATCHDOG=1"); }

void ServiceManager::send(std::string_view message) {
  if (descriptor_ < 0) {
    return;
  }
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (address_[0] == '@') {
    to.sun_path[0] = '\0';
  }
  // The length counts, because an abstract name has no end: neither a NUL nor padding belongs to it.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() +
                                             (address_[0] == '@' ? 0 : 1));
  const ssize_t sent = ::sendto(descriptor_, message.data(), message.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&to), length);
  if (sent < 0 && !has_failed_) {
    has_failed_ = true;
    std::fprintf(stderr, "knul: NOTIFY_SOCKET %s: %s\n", address_.c_str(), std::strerror(errno));
  }
}

}  // namespace knul::cli
