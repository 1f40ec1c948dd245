#include "cli/socket_activation.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "cli/number.hpp"

namespace knul::cli {
namespace {

constexpr int kFirst = 3;  // sd_listen_fds(3): SD_LISTEN_FDS_START
constexpr std::uint64_t kMost = 1'024;
constexpr std::string_view kName = "knul";

std::string_view value_of(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view{} : found->second;
}

std::vector<std::string_view> names_in(std::string_view text) {
  std::vector<std::string_view> names;
  while (!text.empty()) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    names.push_back(text.substr(0, colon));
    text.remove_prefix(std::min(colon + 1, text.size()));
  }
  return names;
}

}  // namespace

Outcome<std::optional<int>> inherited_socket(const std::map<std::string, std::string>& environment) {
  const auto pid = parse_whole_number(value_of(environment, "LISTEN_PID"));
  if (!pid || *pid != static_cast<std::uint64_t>(::getpid())) {
    return std::optional<int>();  // the variables are another process's
  }
  const std::string_view count_text = value_of(environment, "LISTEN_FDS");
  const auto count = parse_whole_number(count_text);
  if (!count || *count > kMost) {
    return usage_failure("LISTEN_FDS is \"" + std::string(count_text) + "\", expected a number up to 1024");
  }
  for (int i = 0; i < static_cast<int>(*count); ++i) {
    ::fcntl(kFirst + i, F_SETFD, FD_CLOEXEC);
  }
  if (*count <= 1) {
    return *count == 1 ? std::optional(kFirst) : std::nullopt;
  }
  const auto names = names_in(value_of(environment, "LISTEN_FDNAMES"));
  const auto found = std::ranges::find(names, kName);
  const auto index = static_cast<std::uint64_t>(found - names.begin());
  if (std::ranges::count(names, kName) != 1 || index >= *count) {
    return usage_failure("LISTEN_FDS is " + std::to_string(*count) +
                         ", expected 1 socket, or one of them with the name \"knul\" (FileDescriptorName=)");
  }
  return std::optional(kFirst + static_cast<int>(index));
}

}  // namespace knul::cli
