#include "base/datagram.hpp"

#include <cassert>

namespace knul::base {

SendBatch::SendBatch(Limits limits) : limits_(limits), buffer_(limits.buffer_bytes) { trains_.reserve(256); }

std::span<std::uint8_t> SendBatch::room() { return std::span(buffer_).subspan(used_); }

void SendBatch::commit(const Path& path, Ecn ecn, std::size_t packet_bytes) {
  assert(packet_bytes > 0 && packet_bytes <= buffer_.size() - used_);
  const auto bytes = static_cast<std::uint32_t>(packet_bytes);
  if (joins_last_train(path, ecn, packet_bytes)) {
    trains_.back().length_bytes += bytes;
  } else {
    trains_.push_back({path, ecn, static_cast<std::uint32_t>(used_), bytes, bytes});
  }
  used_ += packet_bytes;
}

void SendBatch::clear() {
  used_ = 0;
  trains_.clear();
}

bool SendBatch::joins_last_train(const Path& path, Ecn ecn, std::size_t packet_bytes) const {
  if (trains_.empty()) {
    return false;
  }
  const Train& last = trains_.back();
  // A short segment ends its train: the kernel cuts at equal distances.
  return packet_bytes <= last.segment_bytes && last.length_bytes % last.segment_bytes == 0 &&
         last.packet_count() < limits_.train_packets &&
         last.length_bytes + packet_bytes <= limits_.train_bytes && last.ecn == ecn && last.path == path;
}

}  // namespace knul::base
