#include "raw_connection.hpp"

#include <algorithm>

#include "frames.hpp"
#include "random.hpp"

namespace knul::attack {
namespace {

constexpr std::size_t kInitialBytes = 1'200;  // RFC 9000 §14.1
constexpr std::size_t kIdBytes = 8;
constexpr std::uint8_t kVersion1[] = {0, 0, 0, 1};

Bytes encode(const Parameters& parameters) {
  Bytes out;
  for (const auto& [number, value] : parameters) {
    append_varint(out, number);
    append_varint(out, value.size());
    append(out, value);
  }
  return out;
}

Bytes parameters_of(const RawOptions& options, View source_id) {
  if (!options.has_parameters) {
    return {};
  }
  Parameters all{{0x01, varint(30'000)},
                 {0x04, varint(options.connection_window)},
                 {0x05, varint(options.stream_window)},
                 {0x06, varint(options.stream_window)},
                 {0x07, varint(options.stream_window)},
                 {0x08, varint(100)},
                 {0x09, varint(100)},
                 {0x0e, varint(8)},
                 {0x0f, Bytes(source_id.begin(), source_id.end())},
                 {0x20, varint(65'535)}};
  for (const auto& [number, value] : options.parameters) {
    std::erase_if(all, [number = number](const auto& other) { return other.first == number; });
    all.emplace_back(number, value);
  }
  std::erase_if(all, [&](const auto& other) {
    return std::ranges::find(options.left_out, other.first) != options.left_out.end();
  });
  return encode(all);
}

}  // namespace

Bytes varint(std::uint64_t value) {
  Bytes out;
  append_varint(out, value);
  return out;
}

RawConnection::RawConnection(Address server, RawOptions options)
    : options_(std::move(options)),
      server_(server),
      socket_(options_.host),
      source_id_(random_bytes(kIdBytes)),
      token_(options_.token),
      tls_(options_.alpn, parameters_of(options_, source_id_)) {
  tls_.advance();
  begin(random_bytes(kIdBytes));
}

RawConnection::~RawConnection() {
  if (!is_abandoned_ && !closed && has_keys(Level::kOneRtt)) {
    send(frame::connection_close(0));
  }
}

void RawConnection::begin(View first_id) {
  first_id_.assign(first_id.begin(), first_id.end());
  destination_id = first_id_;
  write_keys_[0] = std::make_unique<PacketKeys>(PacketKeys::initial(first_id, "client in"));
  read_keys_[0] = std::make_unique<PacketKeys>(PacketKeys::initial(first_id, "server in"));
}

Bytes RawConnection::make(Level level, View frames, std::uint8_t header_change) {
  static constexpr std::uint8_t kTypes[] = {0xc3, 0xd3, 0xe3, 0x43};
  Bytes payload(frames.begin(), frames.end());
  if (level == Level::kInitial) {
    payload.resize(std::max(payload.size(), kInitialBytes));
  } else if (payload.size() < 4) {
    payload.resize(payload.empty() ? 0 : 4);  // so that there is a sample; PADDING changes nothing
  }
  Bytes packet{static_cast<std::uint8_t>(kTypes[index(level)] ^ header_change)};
  if (level == Level::kOneRtt) {
    append(packet, destination_id);
  } else {
    append(packet, kVersion1);
    for (const Bytes* id : {&destination_id, &source_id_}) {
      packet.push_back(static_cast<std::uint8_t>(id->size()));
      append(packet, *id);
    }
    if (level == Level::kInitial) {
      append_varint(packet, token_.size());
      append(packet, token_);
    }
    append_number(packet, 0x80000000U | (4 + payload.size() + kTagBytes), 4);
  }
  append_number(packet, next_number_[index(level)]++, 4);
  write_keys_[index(level)]->protect(packet, payload);
  return packet;
}

Bytes RawConnection::hello_packet() { return make(Level::kInitial, frame::crypto(0, client_hello())); }

// All of the client's messages that have keys; again when the server does not answer.
void RawConnection::send_flight() {
  if (!has_initial_answer_) {
    send_datagram(hello_packet());
  }
  const Bytes& finished = tls_.messages[Level::kHandshake];
  if (!finished.empty() && has_keys(Level::kHandshake) && options_.sends_finished) {
    send(Level::kHandshake, frame::crypto(0, finished));
  }
}

bool RawConnection::shake_hands(std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  Clock::time_point repeat{};
  const auto is_done = [this] {
    return options_.sends_finished ? is_confirmed : has_keys(Level::kHandshake) && tls_.is_complete();
  };
  auto wait = 100ms;
  std::size_t sent = 0;
  while (!is_done() && !closed && Clock::now() < end) {
    const std::size_t to_send = tls_.messages[Level::kHandshake].size() + retries;
    if (Clock::now() >= repeat || to_send != sent) {
      send_flight();
      sent = to_send;
      wait *= 2;
      repeat = Clock::now() + wait;
    }
    read(20ms);
  }
  return is_done() && !closed;
}

bool RawConnection::read(std::chrono::milliseconds timeout) {
  const std::optional<Bytes> datagram = socket_.receive(timeout);
  if (!datagram) {
    return false;
  }
  handle(*datagram);
  return true;
}

void RawConnection::handle(View datagram) {
  ++datagrams_read;
  bytes_read += datagram.size();
  while (!datagram.empty() && (datagram[0] & 0x80) != 0) {
    if (!handle_long(datagram)) {
      return;
    }
  }
  if (!datagram.empty()) {
    handle_short(datagram);
  }
  take_keys();
  if (options_.acknowledges && has_keys(Level::kOneRtt) && !seen_.empty() && !closed) {
    acknowledge();
  }
}

void RawConnection::drain() {
  while (read(0ms)) {
  }
}

bool RawConnection::wait(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() >= end) {
      return false;
    }
    read(20ms);
  }
  return true;
}

std::optional<RawConnection::Close> RawConnection::wait_close(std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  while (!closed && Clock::now() < end) {
    wait([this] { return closed.has_value(); }, 300ms);
    if (!closed && has_keys(Level::kOneRtt)) {
      send(frame::ping());
    }
  }
  return closed;
}

// Of up to 30 ranges, the newest.
void RawConnection::acknowledge() {
  Bytes ranges;
  std::uint64_t count = 0;
  auto range = seen_.rbegin();
  std::uint64_t first = range->first;
  const std::uint64_t largest = range->second;
  const std::uint64_t first_range = largest - first;
  for (++range; range != seen_.rend() && count < 30; ++range, ++count) {
    append_varint(ranges, first - range->second - 2);
    append_varint(ranges, range->second - range->first);
    first = range->first;
  }
  send(frame::make({2, largest, 0, count, first_range}, ranges));
}

void RawConnection::note_number(std::uint64_t number) {
  auto next = seen_.upper_bound(number);
  if (next != seen_.begin() && std::prev(next)->second >= number) {
    return;
  }
  std::uint64_t last = number;
  if (next != seen_.end() && next->first == number + 1) {
    last = next->second;
    next = seen_.erase(next);
  }
  if (next != seen_.begin() && std::prev(next)->second + 1 == number) {
    std::prev(next)->second = last;
  } else {
    seen_.emplace(number, last);
  }
}

// Takes one packet from the front. False when the rest cannot be read.
bool RawConnection::handle_long(View& datagram) {
  Reader reader(datagram);
  const std::uint64_t first = reader.number(1);
  const std::uint64_t version = reader.number(4);
  reader.take(reader.number(1));
  const View scid = reader.take(reader.number(1));
  if (version != 1 || !reader.is_whole()) {
    return false;
  }
  const std::uint64_t type = first >> 4 & 3;
  if (type == 3) {
    handle_retry(reader, scid);
    return false;
  }
  if (type == 0) {
    reader.take(reader.varint());
  }
  const std::uint64_t length = reader.varint();
  const std::size_t number_at = datagram.size() - reader.rest().size();
  if (!reader.is_whole() || length > reader.rest().size()) {
    return false;
  }
  const View packet = datagram.first(number_at + length);
  datagram = datagram.subspan(packet.size());
  const Level level = type == 0 ? Level::kInitial : Level::kHandshake;
  take_keys();
  const auto& keys = read_keys_[index(level)];
  const auto opened = keys ? keys->open(packet, number_at, largest_read_[index(level)]) : std::nullopt;
  if (opened) {
    if (!has_initial_answer_) {
      has_initial_answer_ = true;
      destination_id.assign(scid.begin(), scid.end());
    }
    largest_read_[index(level)] = std::max(largest_read_[index(level)], opened->number);
    handle_payload(level, opened->payload);
  }
  return true;
}

void RawConnection::handle_retry(Reader packet, View scid) {
  const View rest = packet.rest();
  if (retries > 0 || has_initial_answer_ || rest.size() <= kTagBytes) {
    return;
  }
  ++retries;
  const View token = rest.first(rest.size() - kTagBytes);
  token_.assign(token.begin(), token.end());
  begin(Bytes(scid.begin(), scid.end()));
}

void RawConnection::handle_short(View packet) {
  const auto& keys = read_keys_[index(Level::kOneRtt)];
  auto& largest = largest_read_[index(Level::kOneRtt)];
  const auto opened = keys ? keys->open(packet, 1 + kIdBytes, largest) : std::nullopt;
  if (!opened) {
    is_stateless_reset = is_stateless_reset || is_confirmed;
    return;
  }
  largest = std::max(largest, opened->number);
  note_number(opened->number);
  handle_payload(Level::kOneRtt, opened->payload);
}

void RawConnection::handle_payload(Level level, View payload) {
  Reader reader(payload);
  while (!reader.rest().empty() && reader.is_whole()) {
    const std::uint64_t type = reader.varint();
    if (type != 0) {
      ++frames_read[type];
      handle_frame(level, type, reader);
    }
  }
}

void RawConnection::handle_frame(Level level, std::uint64_t type, Reader& reader) {
  const auto skip = [&reader](int numbers) {
    while (numbers-- > 0) {
      reader.varint();
    }
  };
  switch (type) {
    case 0x02:
    case 0x03: {
      const std::uint64_t largest = reader.varint();
      if (level == Level::kOneRtt) {
        largest_acknowledged = std::max(largest_acknowledged, largest);
      }
      skip(1);
      const std::uint64_t ranges = reader.varint();
      skip(1 + 2 * static_cast<int>(std::min<std::uint64_t>(ranges, 1'000)) + (type == 3 ? 3 : 0));
      return;
    }
    case 0x04: {
      const std::uint64_t id = reader.varint();
      streams[id].reset_code = reader.varint();
      return skip(1);
    }
    case 0x05: {
      const std::uint64_t id = reader.varint();
      streams[id].stop_code = reader.varint();
      return;
    }
    case 0x06:
      return handle_crypto(level, reader);
    case 0x07: {
      const View token = reader.take(reader.varint());
      new_tokens.emplace_back(token.begin(), token.end());
      return;
    }
    case 0x11:
    case 0x15:
      return skip(2);
    case 0x12:
      streams_allowed = std::max(streams_allowed, reader.varint());
      return;
    case 0x13:
      uni_streams_allowed = std::max(uni_streams_allowed, reader.varint());
      return;
    case 0x10:
    case 0x14:
    case 0x16:
    case 0x17:
    case 0x19:
      return skip(1);
    case 0x18: {
      const std::uint64_t sequence = reader.varint();
      skip(1);
      const View id = reader.take(reader.number(1));
      connection_ids[sequence].assign(id.begin(), id.end());
      reader.take(16);
      return;
    }
    case 0x1a:
    case 0x1b: {
      const View data = reader.take(8);
      if (type == 0x1a) {
        challenges.emplace_back(data.begin(), data.end());
      }
      return;
    }
    case 0x1c:
    case 0x1d:
      closed = Close{reader.varint(), type == 0x1d};
      skip(type == 0x1c ? 1 : 0);
      reader.take(reader.varint());
      return;
    case 0x1e:
      is_confirmed = true;
      return;
    case 0x30:
      reader.take(reader.rest().size());
      return;
    case 0x31:
      reader.take(reader.varint());
      return;
    default:
      if (type >= 0x08 && type <= 0x0f) {
        handle_stream(type, reader);
      }
  }
}

void RawConnection::handle_stream(std::uint64_t type, Reader& reader) {
  Received& stream = streams[reader.varint()];
  const std::uint64_t offset = (type & 4) != 0 ? reader.varint() : 0;
  const std::size_t length = (type & 2) != 0 ? reader.varint() : reader.rest().size();
  stream.bytes = std::max(stream.bytes, offset + reader.take(length).size());
  stream.has_fin = stream.has_fin || (type & 1) != 0;
}

void RawConnection::handle_crypto(Level level, Reader& reader) {
  const std::uint64_t offset = reader.varint();
  const View data = reader.take(reader.varint());
  auto& pending = pending_crypto_[level];
  auto& taken = crypto_taken_[level];
  pending.emplace(offset, Bytes(data.begin(), data.end()));
  for (auto part = pending.begin(); part != pending.end() && part->first <= taken;
       part = pending.erase(part)) {
    const std::uint64_t end = part->first + part->second.size();
    if (end > taken) {
      tls_.receive(level, View(part->second).subspan(taken - part->first));
      taken = end;
    }
  }
  if (level != Level::kOneRtt && !tls_.advance()) {
    closed = Close{0x128, false};  // our own TLS gave up
  }
}

void RawConnection::take_keys() {
  for (const Level level : {Level::kHandshake, Level::kOneRtt}) {
    const auto found = tls_.secrets.find(level);
    if (found == tls_.secrets.end()) {
      continue;
    }
    if (!found->second.write.empty() && !has_keys(level)) {
      write_keys_[index(level)] = std::make_unique<PacketKeys>(found->second.write);
    }
    if (!found->second.read.empty() && read_keys_[index(level)] == nullptr) {
      read_keys_[index(level)] = std::make_unique<PacketKeys>(found->second.read);
    }
  }
}

}  // namespace knul::attack
