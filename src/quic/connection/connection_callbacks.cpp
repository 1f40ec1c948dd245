#include "quic/connection/connection_callbacks.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <new>
#include <utility>

#include "quic/connection/connection.hpp"
#include "quic/connection/transport_settings.hpp"
#include "quic/crypto/packet_protection.hpp"

namespace knul::quic {
namespace {

// Thread: each worker has its own. Invariant: null outside Connection::read.
thread_local Connection* reading_connection = nullptr;
// Invariant: null outside Connection::write, and in it if no packet needs to be read.
thread_local WritingScope* writing_scope = nullptr;

Connection& connection_of(void* user_data) { return *static_cast<Connection*>(user_data); }

// Throws without a Stream. Then open_stream() ran out of memory after the library had opened the stream, and
// the peer uses a stream on which this side has sent nothing.
Stream& stream_of(void* stream_user_data) {
  return stream_user_data != nullptr ? *static_cast<Stream*>(stream_user_data) : throw std::bad_alloc();
}

// Exceptions must not pass through the library, which is C.
template <class Function>
int guarded(Function function) {
  try {
    function();
    return 0;
  } catch (...) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
}

}  // namespace

ReadingScope::ReadingScope(Connection& connection) { reading_connection = &connection; }
ReadingScope::~ReadingScope() { reading_connection = nullptr; }

WritingScope::WritingScope(Frames frames, ConnectionQlog* qlog) : counts_frames_(frames), qlog_(qlog) {
  if (frames == Frames::kCounted || qlog != nullptr) {
    writing_scope = this;
  }
}
WritingScope::~WritingScope() { writing_scope = nullptr; }

// A struct, so that Connection can befriend all callbacks at once.
struct ConnectionCallbacks {
  static int on_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, std::uint64_t offset,
                            const std::uint8_t* data, std::size_t length, void* user_data) {
    Connection& connection = connection_of(user_data);
    if (connection.is_server_ && !connection.admit_crypto(level, {data, length})) {
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, length, user_data);
  }

  static int on_handshake_completed(ngtcp2_conn* /*conn*/, void* user_data) {
    return guarded([&] { connection_of(user_data).handle_handshake_completed(); });
  }

  // `result`: of the decryption.
  [[gnu::cold]] static void note_decryption(ConnectionQlog& qlog, const ReceivedPacket& packet,
                                            std::span<const std::uint8_t> payload, int result) {
    const base::Instant now = reading_connection->library_.now();
    if (result == 0) {
      qlog.note_received(packet, payload, now);
    } else {
      qlog.note_undecryptable(packet, now);
    }
  }

  static int on_decrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead,
                        const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* ciphertext,
                        std::size_t ciphertext_length, const std::uint8_t* nonce, std::size_t nonce_length,
                        const std::uint8_t* aad, std::size_t aad_length) {
    const int result = decrypt_packet(dest, aead, context, ciphertext, ciphertext_length, nonce, nonce_length,
                                      aad, aad_length);
    if (reading_connection == nullptr) {
      return result;
    }
    const std::size_t payload_length = ciphertext_length - aead->max_overhead;  // of a success
    if (ConnectionQlog* const qlog = reading_connection->qlog_.get(); qlog != nullptr) [[unlikely]] {
      note_decryption(*qlog, {{aad, aad_length}, {ciphertext, ciphertext_length}},
                      {dest, result == 0 ? payload_length : 0}, result);
    }
    if (result != 0) {
      return result;
    }
    constexpr std::uint8_t kLongHeader = 0x80;
    const bool is_one_rtt = (aad[0] & kLongHeader) == 0;
    try {
      return reading_connection->note_frames({dest, payload_length}, is_one_rtt)
                 ? 0
                 : NGTCP2_ERR_CALLBACK_FAILURE;
    } catch (...) {
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int on_encrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead,
                        const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* plaintext,
                        std::size_t plaintext_length, const std::uint8_t* nonce, std::size_t nonce_length,
                        const std::uint8_t* aad, std::size_t aad_length) {
    if (writing_scope != nullptr) {
      writing_scope->add({aad, aad_length}, {plaintext, plaintext_length});
    }
    return encrypt_packet(dest, aead, context, plaintext, plaintext_length, nonce, nonce_length, aad,
                          aad_length);
  }

  static int on_stream_open(ngtcp2_conn* conn, std::int64_t id, void* user_data) {
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      Stream& stream = connection.streams_.add(id);
      ngtcp2_conn_set_stream_user_data(conn, id, &stream);
      connection.environment_.observer.on_stream_opened(connection, stream);
    });
  }

  static int on_stream_data(ngtcp2_conn* /*conn*/, std::uint32_t flags, std::int64_t /*id*/,
                            std::uint64_t /*offset*/, const std::uint8_t* data, std::size_t length,
                            void* user_data, void* stream_user_data) {
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      Stream& stream = stream_of(stream_user_data);
      const Fin fin{(flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0};
      stream.received_bytes += length;
      if (stream.has_receive_ended) {
        connection.streams_.consume(stream, length);
        return;
      }
      stream.has_receive_ended = fin == Fin::kYes;
      connection.environment_.observer.on_stream_data(connection, stream, {data, length}, fin);
    });
  }

  static int on_acknowledged(ngtcp2_conn* /*conn*/, std::int64_t /*id*/, std::uint64_t /*offset*/,
                             std::uint64_t length, void* user_data, void* stream_user_data) {
    return guarded(
        [&] { connection_of(user_data).streams_.handle_acknowledged(stream_of(stream_user_data), length); });
  }

  static int on_stream_close(ngtcp2_conn* /*conn*/, std::uint32_t flags, std::int64_t /*id*/,
                             std::uint64_t /*code*/, void* user_data, void* stream_user_data) {
    return guarded([&] {
      StreamSet& streams = connection_of(user_data).streams_;
      if (stream_user_data == nullptr) {
        streams.handle_closed_unseen();
        return;
      }
      auto& stream = *static_cast<Stream*>(stream_user_data);
      stream.is_clean = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) == 0;
      streams.handle_closed(stream);
    });
  }

  static int on_stream_reset(ngtcp2_conn* /*conn*/, std::int64_t /*id*/, std::uint64_t /*final_size*/,
                             std::uint64_t code, void* user_data, void* stream_user_data) {
    return guarded(
        [&] { connection_of(user_data).streams_.handle_reset(stream_of(stream_user_data), code); });
  }

  static int on_stream_credit(ngtcp2_conn* /*conn*/, std::int64_t /*id*/, std::uint64_t /*max_data*/,
                              void* user_data, void* stream_user_data) {
    if (stream_user_data != nullptr) {
      connection_of(user_data).streams_.handle_credit(*static_cast<Stream*>(stream_user_data));
    }
    return 0;
  }

  template <StreamDirection kDirection>
  static int on_streams_available(ngtcp2_conn* /*conn*/, std::uint64_t /*max_streams*/, void* user_data) {
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      connection.streams_.note_streams_available();
      if (connection.is_handshake_completed_) {
        connection.environment_.observer.on_streams_available(connection, kDirection);
      }
    });
  }

  static int on_datagram(ngtcp2_conn* /*conn*/, std::uint32_t /*flags*/, const std::uint8_t* data,
                         std::size_t length, void* user_data) {
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      connection.note_used();
      connection.environment_.counters.datagrams_received.add();
      connection.environment_.observer.on_datagram(connection, {data, length});
    });
  }

  template <DatagramFate kFate>
  static int on_datagram_fate(ngtcp2_conn* /*conn*/, std::uint64_t id, void* user_data) {
    if constexpr (kFate == DatagramFate::kAcknowledged) {
      connection_of(user_data).datagrams_.note_acknowledged();
    } else {
      connection_of(user_data).datagrams_.note_lost();
    }
    const DatagramTag tag(id);
    if (!tag.reports_fate()) {
      return 0;
    }
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      connection.environment_.observer.on_datagram_fate(connection, tag.context(), kFate);
    });
  }

  static int on_new_connection_id(ngtcp2_conn* /*conn*/, ngtcp2_cid* id, std::uint8_t* token,
                                  std::size_t /*length*/, void* user_data) {
    return guarded([&] {
      Connection& connection = connection_of(user_data);
      const ConnectionId made = connection.make_route();
      *id = made.to_ngtcp2();
      if (!connection.environment_.reset_tokens.write(made.bytes(), token)) {
        throw std::bad_alloc();
      }
    });
  }

  static int on_retired_connection_id(ngtcp2_conn* /*conn*/, const ngtcp2_cid* id, void* user_data) {
    connection_of(user_data).drop_route(ConnectionId(*id));
    return 0;
  }

  static int on_client_initial(ngtcp2_conn* conn, const ngtcp2_cid* client_id, void* user_data) {
    TlsConnRef& reference = connection_of(user_data).library_.tls_reference();
    if (reference.protection == nullptr) {
      return ngtcp2_crypto_recv_client_initial_cb(conn, client_id, user_data);
    }
    return guarded([&] {
      if (!install_initial_keys(reference, conn, {client_id->data, client_id->datalen})) {
        throw std::bad_alloc();
      }
    });
  }

  static int on_update_key(ngtcp2_conn* conn, std::uint8_t* rx_secret, std::uint8_t* tx_secret,
                           ngtcp2_crypto_aead_ctx* rx_context, std::uint8_t* rx_iv,
                           ngtcp2_crypto_aead_ctx* tx_context, std::uint8_t* tx_iv,
                           const std::uint8_t* current_rx_secret, const std::uint8_t* current_tx_secret,
                           std::size_t length, void* user_data) {
    // The library asks for the next keys in advance: first right after the handshake, then after each
    // completed update. So the first call is not an update.
    Connection& connection = connection_of(user_data);
    if (std::exchange(connection.has_next_keys_, true)) {
      connection.environment_.counters.key_updates.add();
      ++connection.counts_.key_updates;
    }
    if (has_keys_of(connection.environment_.protection, conn)) {
      return guarded([&] {
        update_keys(connection.library_.tls_reference(), conn,
                    {rx_secret, rx_context, rx_iv, current_rx_secret, length},
                    {tx_secret, tx_context, tx_iv, current_tx_secret, length});
      });
    }
    return ngtcp2_crypto_update_key_cb(conn, rx_secret, tx_secret, rx_context, rx_iv, tx_context, tx_iv,
                                       current_rx_secret, current_tx_secret, length, user_data);
  }

  static int on_path_validation(ngtcp2_conn* conn, std::uint32_t /*flags*/, const ngtcp2_path* path,
                                const ngtcp2_path* old_path, ngtcp2_path_validation_result result,
                                void* user_data) {
    Connection& connection = connection_of(user_data);
    if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) {
      return 0;
    }
    if (old_path != nullptr && ngtcp2_path_eq(path, old_path) == 0) {
      connection.environment_.counters.path_migrations.add();
      ++connection.counts_.migrations;
    }
    // A path that was only probed is not in use yet.
    if (ngtcp2_path_eq(path, ngtcp2_conn_get_path(conn)) != 0) {
      connection.handle_new_path(*path);
    }
    return 0;
  }

  static int on_handshake_confirmed(ngtcp2_conn* /*conn*/, void* user_data) {
    connection_of(user_data).is_handshake_confirmed_ = true;
    return 0;
  }

  static int on_stateless_reset(ngtcp2_conn* /*conn*/, const ngtcp2_pkt_stateless_reset* /*reset*/,
                                void* user_data) {
    connection_of(user_data).end(CloseCause::Source::kStatelessReset, 0, "stateless reset");
    return 0;
  }

  // Non-cryptographic randomness for the library; `context` is the endpoint's source.
  static void on_random(std::uint8_t* dest, std::size_t length, const ngtcp2_rand_ctx* context) {
    static_cast<base::RandomSource*>(context->native_handle)->fill({dest, length});
  }

  static ngtcp2_callbacks common() {
    ngtcp2_callbacks callbacks{};
    callbacks.recv_crypto_data = &on_crypto_data;
    callbacks.handshake_completed = &on_handshake_completed;
    callbacks.encrypt = &on_encrypt;
    callbacks.decrypt = &on_decrypt;
    callbacks.hp_mask = &mask_header;
    callbacks.recv_stream_data = &on_stream_data;
    callbacks.acked_stream_data_offset = &on_acknowledged;
    callbacks.stream_open = &on_stream_open;
    callbacks.stream_close = &on_stream_close;
    callbacks.stream_reset = &on_stream_reset;
    callbacks.extend_max_stream_data = &on_stream_credit;
    callbacks.extend_max_local_streams_bidi = &on_streams_available<StreamDirection::kBidirectional>;
    callbacks.extend_max_local_streams_uni = &on_streams_available<StreamDirection::kUnidirectional>;
    callbacks.recv_datagram = &on_datagram;
    callbacks.ack_datagram = &on_datagram_fate<DatagramFate::kAcknowledged>;
    callbacks.lost_datagram = &on_datagram_fate<DatagramFate::kLost>;
    callbacks.rand = &on_random;
    callbacks.get_new_connection_id = &on_new_connection_id;
    callbacks.remove_connection_id = &on_retired_connection_id;
    callbacks.update_key = &on_update_key;
    callbacks.path_validation = &on_path_validation;
    callbacks.delete_crypto_aead_ctx = &delete_aead_context;
    callbacks.delete_crypto_cipher_ctx = &delete_cipher_context;
    callbacks.get_path_challenge_data = &ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks.version_negotiation = &ngtcp2_crypto_version_negotiation_cb;
    callbacks.recv_stateless_reset = &on_stateless_reset;
    return callbacks;
  }
};

const ngtcp2_callbacks& server_callbacks() {
  static const ngtcp2_callbacks callbacks = [] {
    ngtcp2_callbacks made = ConnectionCallbacks::common();
    made.recv_client_initial = &ConnectionCallbacks::on_client_initial;
    return made;
  }();
  return callbacks;
}

const ngtcp2_callbacks& client_callbacks() {
  static const ngtcp2_callbacks callbacks = [] {
    ngtcp2_callbacks made = ConnectionCallbacks::common();
    made.client_initial = &ngtcp2_crypto_client_initial_cb;
    made.recv_retry = &ngtcp2_crypto_recv_retry_cb;
    made.handshake_confirmed = &ConnectionCallbacks::on_handshake_confirmed;
    return made;
  }();
  return callbacks;
}

}  // namespace knul::quic
