#include "base/datagram.hpp"

#include <cassert>

namespace knul::base {

SendBatch::SendBatch(Limits limits) : limits_(limits), buffer_(limits.buffer_bytes) { trains_.reserve(256); }

std::span<std::uint8_t> SendBatch::room() { return std::span(buffer_).subspan(used_); }

void SendBatch::commit(const Path& path, Ecn ecn, std::size_t packet_bytes) {
  assert(packet_bytes > 0 && packet_bytes <= buffer_.size() - used_);
  const auto bytes = static_cast<std::uint32_t>(packet_bytes);
  if (joins_last_train(path, ecn, packet_bytes)) {
    Train& last = trains_.back();
    last.length_bytes += bytes;
    ++last_packets_;
    is_last_ended_ = bytes < last.segment_bytes;
  } else {
    trains_.push_back({path, ecn, static_cast<std::uint32_t>(used_), bytes, bytes});
    last_packets_ = 1;
    is_last_ended_ = false;
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
  return !is_last_ended_ && packet_bytes <= last.segment_bytes && last_packets_ < limits_.train_packets &&
         last.length_bytes + packet_bytes <= limits_.train_bytes && last.ecn == ecn && last.path == path;
}

}  // namespace knul::base
