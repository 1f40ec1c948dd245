// One QUIC connection of a client that does what it is told, right or wrong: a real handshake, then any frame
// in any packet of any level, from any address. It acknowledges, reads and answers only when asked to.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <utility>

#include "protection.hpp"
#include "tls_client.hpp"
#include "udp.hpp"

namespace knul::attack {

// Transport parameters (RFC 9000 §18) in order; a later one replaces an earlier one of the same number.
using Parameters = std::vector<std::pair<std::uint64_t, Bytes>>;
Bytes varint(std::uint64_t value);

struct RawOptions {
  std::string alpn = "perf";  // empty: no ALPN extension
  std::uint16_t host = kAttackerHost;
  Parameters parameters;                    // beside the usual ones, or in their place
  std::vector<std::uint64_t> left_out;      // parameters that are not sent
  bool has_parameters = true;               // false: no extension at all
  std::uint64_t stream_window = 16U << 20;  // what the server may send
  std::uint64_t connection_window = 64U << 20;
  bool sends_finished = true;  // false: the handshake stays half-open
  bool acknowledges = false;   // every 1-RTT packet that is read
  Bytes token;                 // of the first Initial
};

class RawConnection {
 public:
  RawConnection(Address server, RawOptions options);
  // Closes, in one packet.
  ~RawConnection();
  RawConnection(RawConnection&&) = delete;

  // Until the server confirms the handshake; with sends_finished = false until there are Handshake keys.
  // False after `patience`, or when the server closes.
  bool shake_hands(std::chrono::milliseconds patience = 10s);

  // A packet with `frames`. `header_change` is XORed into the first byte before protection.
  // Precondition: has_keys(level).
  Bytes make(Level level, View frames, std::uint8_t header_change = 0);
  void send(Level level, View frames) { socket_.send(server_, make(level, frames)); }
  void send(View frames) { send(Level::kOneRtt, frames); }
  void send_datagram(View datagram) { socket_.send(server_, datagram); }
  void send_datagrams(std::span<const Bytes> datagrams) { socket_.send_all(server_, datagrams); }
  [[nodiscard]] bool has_keys(Level level) const { return write_keys_[index(level)] != nullptr; }
  // The same content in packets of Initial level needs the ClientHello.
  [[nodiscard]] const Bytes& client_hello() { return tls_.messages[Level::kInitial]; }
  [[nodiscard]] Bytes hello_packet();
  // Sends from now on without the closing packet of the destructor.
  void abandon() { is_abandoned_ = true; }

  // Takes one datagram in, if there is one within `timeout`.
  bool read(std::chrono::milliseconds timeout);
  void handle(View datagram);
  // Reads until the condition holds; false after `patience`.
  bool wait(const std::function<bool()>& condition, std::chrono::milliseconds patience = 10s);
  // Takes in what is there already.
  void drain();
  void acknowledge();

  struct Close {
    std::uint64_t code = 0;
    bool is_application = false;
  };
  // The server's CONNECTION_CLOSE, waited for. Sends a PING in between, so that a lost one is repeated.
  std::optional<Close> wait_close(std::chrono::milliseconds patience = 5s);

  struct Received {
    std::uint64_t bytes = 0;
    bool has_fin = false;
    std::optional<std::uint64_t> reset_code, stop_code;
  };
  std::map<std::uint64_t, Received> streams;
  std::map<std::uint64_t, std::uint64_t> frames_read;  // how many of each type
  std::vector<Bytes> new_tokens, challenges;
  std::map<std::uint64_t, Bytes> connection_ids;  // by sequence
  std::optional<Close> closed;
  std::uint64_t datagrams_read = 0, bytes_read = 0, retries = 0;
  std::uint64_t largest_acknowledged = 0;
  std::uint64_t streams_allowed = 100,
                uni_streams_allowed = 100;  // the server's default, then its MAX_STREAMS
  bool is_confirmed = false;
  bool is_stateless_reset = false;  // only seen as: nothing could be decrypted after a confirmed handshake

  [[nodiscard]] const Udp& socket() const { return socket_; }
  [[nodiscard]] Address server() const { return server_; }
  Bytes destination_id;
  [[nodiscard]] const Bytes& original_id() const { return first_id_; }
  void set_destination(Bytes id) { destination_id = std::move(id); }

 private:
  static std::size_t index(Level level) { return static_cast<std::size_t>(level); }
  void begin(View first_id);
  void take_keys();
  void send_flight();
  void handle_retry(Reader packet, View scid);
  bool handle_long(View& datagram);
  void handle_short(View packet);
  void handle_payload(Level level, View payload);
  void handle_frame(Level level, std::uint64_t type, Reader& reader);
  void handle_crypto(Level level, Reader& reader);
  void handle_stream(std::uint64_t type, Reader& reader);
  void note_number(std::uint64_t number);

  RawOptions options_;
  Address server_;
  Udp socket_;
  Bytes source_id_, first_id_, token_;
  TlsClient tls_;
  std::array<std::unique_ptr<PacketKeys>, 4> write_keys_, read_keys_;
  std::array<std::uint64_t, 4> next_number_{}, largest_read_{};
  std::map<Level, std::map<std::uint64_t, Bytes>> pending_crypto_;
  std::map<Level, std::uint64_t> crypto_taken_;
  std::map<std::uint64_t, std::uint64_t> seen_;  // first -> last of ranges of 1-RTT packet numbers
  bool is_abandoned_ = false;
  bool has_initial_answer_ = false;
};

}  // namespace knul::attack
