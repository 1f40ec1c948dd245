// Reports the state of `knul serve` to the service manager (systemd) that started it: the protocol of
// sd_notify(3), without libsystemd.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace knul::cli {

// Without NOTIFY_SOCKET, nothing is sent. Thread: one. A message takes at most a second if the manager does
// not read; the first that fails is reported on standard error.
class ServiceManager {
 public:
  // `environment`: NOTIFY_SOCKET (a path, or an abstract name that begins with @), WATCHDOG_USEC and
  // WATCHDOG_PID.
  explicit ServiceManager(const std::map<std::string, std::string>& environment);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  [[nodiscard]] bool is_there() const { return descriptor_ >= 0; }
  // Half of the time within which the manager expects keep_alive(); none: it expects no such message.
  [[nodiscard]] std::optional<std::chrono::milliseconds> watchdog_interval() const { return watchdog_; }

  void ready(std::string_view status);
  void reloading();
  void stopping(std::string_view status, std::optional<std::chrono::seconds> extension);
  void status(std::string_view status);
  // Asks for `extension` from now on, beyond the manager's own limit for a start or stop.
  void extend(std::chrono::seconds extension);
  void keep_alive();

 private:
  void send(std::string_view message);

  std::string address_;
  std::optional<std::chrono::milliseconds> watchdog_;
  int descriptor_ = -1;
  bool has_failed_ = false;
};

}  // namespace knul::cli
