// Frames of RFC 9000 §19 with any content, valid or not.
#pragma once

#include "bytes.hpp"

namespace knul::attack::frame {

inline Bytes make(std::initializer_list<std::uint64_t> numbers, View tail = {}) {
  Bytes out;
  for (const std::uint64_t number : numbers) {
    append_varint(out, number);
  }
  append(out, tail);
  return out;
}

inline Bytes padding(std::size_t bytes) { return Bytes(bytes, 0); }
inline Bytes ping() { return {1}; }
inline Bytes ack(std::uint64_t largest, std::uint64_t first_range = 0) {
  return make({2, largest, 0, 0, first_range});
}
inline Bytes reset_stream(std::uint64_t id, std::uint64_t final_size = 0, std::uint64_t code = 7) {
  return make({4, id, code, final_size});
}
inline Bytes stop_sending(std::uint64_t id, std::uint64_t code = 7) { return make({5, id, code}); }
inline Bytes crypto(std::uint64_t offset, View data) { return make({6, offset, data.size()}, data); }
inline Bytes new_token(View token) { return make({7, token.size()}, token); }
inline Bytes stream(std::uint64_t id, std::uint64_t offset, View data, bool is_fin = false) {
  return make({is_fin ? 0x0fU : 0x0eU, id, offset, data.size()}, data);
}
inline Bytes max_data(std::uint64_t limit) { return make({0x10, limit}); }
inline Bytes max_stream_data(std::uint64_t id, std::uint64_t limit) { return make({0x11, id, limit}); }
inline Bytes max_streams(std::uint64_t limit, bool is_uni = false) {
  return make({is_uni ? 0x13U : 0x12U, limit});
}
inline Bytes streams_blocked(std::uint64_t limit, bool is_uni = false) {
  return make({is_uni ? 0x17U : 0x16U, limit});
}
inline Bytes stream_data_blocked(std::uint64_t id, std::uint64_t limit) { return make({0x15, id, limit}); }
// The ID is made of the sequence, the token of zeros.
inline Bytes new_connection_id(std::uint64_t sequence, std::uint64_t retire_prior_to,
                               std::size_t id_bytes = 8) {
  Bytes out = make({0x18, sequence, retire_prior_to});
  out.push_back(static_cast<std::uint8_t>(id_bytes));
  Bytes id(id_bytes, 0x5a);
  for (std::size_t i = 0; i < id_bytes && i < 8; ++i) {
    id[i] = static_cast<std::uint8_t>(sequence >> (8 * i));
  }
  append(out, id);
  append(out, Bytes(16, static_cast<std::uint8_t>(sequence)));
  return out;
}
inline Bytes retire_connection_id(std::uint64_t sequence) { return make({0x19, sequence}); }
inline Bytes path_challenge(std::uint64_t data) {
  Bytes out{0x1a};
  append_number(out, data, 8);
  return out;
}
inline Bytes path_response(std::uint64_t data) {
  Bytes out = path_challenge(data);
  out[0] = 0x1b;
  return out;
}
inline Bytes connection_close(std::uint64_t code) { return make({0x1c, code, 0, 0}); }
inline Bytes handshake_done() { return {0x1e}; }
inline Bytes datagram(View data) { return make({0x31, data.size()}, data); }

}  // namespace knul::attack::frame
