// The sessions that a client keeps, so that the next connection to the same name can resume one (RFC 8446
// §2.2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace knul::quic {

// Sessions by server name, each as the TLS library packs it: secret, ticket and age. Thread: one.
class TicketStore {
 public:
  static constexpr std::size_t kMaxNames = 64;
  static constexpr std::size_t kMaxPerName = 16;

  // Beyond the bounds the oldest session of the name is dropped, or the least recently used name.
  void put(std::string_view server_name, std::span<const std::uint8_t> session) {
    if (!names_.contains(server_name) && names_.size() == kMaxNames) {
      names_.erase(
          std::ranges::min_element(names_, {}, [](const auto& item) { return item.second.last_use; }));
    }
    Name& name = names_[std::string(server_name)];
    name.last_use = ++uses_;
    if (name.sessions.size() == kMaxPerName) {
      name.sessions.pop_front();
    }
    name.sessions.emplace_back(session.begin(), session.end());
  }

  // Returns the newest session, or empty. Each is used once, because an observer can link two connections by
  // a repeated ticket (RFC 8446 §C.4). Weak case: the last session stays, because otherwise a burst of
  // connections before the first new ticket would need full handshakes.
  [[nodiscard]] std::vector<std::uint8_t> take(std::string_view server_name) {
    const auto found = names_.find(server_name);
    if (found == names_.end()) {
      return {};
    }
    Name& name = found->second;
    name.last_use = ++uses_;
    if (name.sessions.size() == 1) {
      return name.sessions.back();
    }
    std::vector<std::uint8_t> newest = std::move(name.sessions.back());
    name.sessions.pop_back();
    return newest;
  }

 private:
  struct Name {
    std::deque<std::vector<std::uint8_t>> sessions;  // oldest first, never empty
    std::uint64_t last_use = 0;
  };

  std::map<std::string, Name, std::less<>> names_;
  std::uint64_t uses_ = 0;
};

}  // namespace knul::quic
