// Initial packets without a connection behind them.
#pragma once

#include <algorithm>

#include "frames.hpp"
#include "protection.hpp"
#include "random.hpp"
#include "tls_client.hpp"

namespace knul::attack {

// Initials as a forger makes them: one ClientHello, a new connection ID and so new keys each.
class InitialForge {
 public:
  explicit InitialForge(const std::string& alpn)
      : tls_(alpn, concat({View(Bytes{0x0f, 8}), View(source_id_)})), hello_([this] {
          tls_.advance();
          return frame::crypto(0, tls_.messages[Level::kInitial]);
        }()) {}

  Bytes make() const { return make(random_bytes(8)); }
  Bytes make(const Bytes& id, const Bytes& token = {}) const {
    Bytes payload = hello_;
    payload.resize(std::max<std::size_t>(payload.size(), 1'162 - std::min<std::size_t>(token.size(), 700)));
    Bytes packet{0xc3, 0, 0, 0, 1, static_cast<std::uint8_t>(id.size())};
    append(packet, id);
    packet.push_back(8);
    append(packet, source_id_);
    append_varint(packet, token.size());
    append(packet, token);
    append_number(packet, 0x80000000U | (4 + payload.size() + kTagBytes), 4);
    append_number(packet, 0, 4);
    PacketKeys::initial(id, "client in").protect(packet, payload);
    packet.resize(std::max<std::size_t>(packet.size(), 1'200));
    return packet;
  }

 private:
  Bytes source_id_ = random_bytes(8);
  TlsClient tls_;
  Bytes hello_;
};

// A Retry packet taken apart; empty for any other packet.
struct Retry {
  Bytes id, token;
};
inline std::optional<Retry> read_retry(View packet) {
  if (packet.empty() || (packet[0] & 0xf0) != 0xf0) {
    return std::nullopt;
  }
  Reader reader(packet);
  reader.take(5);
  reader.take(reader.number(1));
  const View id = reader.take(reader.number(1));
  if (reader.rest().size() <= kTagBytes) {
    return std::nullopt;
  }
  const View token = reader.rest().first(reader.rest().size() - kTagBytes);
  return Retry{Bytes(id.begin(), id.end()), Bytes(token.begin(), token.end())};
}

}  // namespace knul::attack
