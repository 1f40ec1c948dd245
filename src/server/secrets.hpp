// Private keys in texts, which must not stay in memory after use.
#pragma once

#include <krepis/krepis.hpp>

#include <cstring>
#include <string>

namespace knul::server {

// Overwrites the text and empties it.
inline void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

// Wipes the options that is_secret() names.
inline void wipe(krepis::ServerOptions& options) { wipe(options.key_pem); }

// Wipes its argument at the end of the scope, also after an exception. Lifetime: the argument's is longer.
template <class Secret>
class Wiped {
 public:
  explicit Wiped(Secret& secret) : secret_(secret) {}
  ~Wiped() { wipe(secret_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  Secret& secret_;
};

}  // namespace knul::server
