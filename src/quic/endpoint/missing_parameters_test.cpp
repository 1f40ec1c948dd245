// A client on the QUIC library's own functions that omits data that a QUIC client must send.
#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic/connection/transport_settings.hpp"
#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/endpoint/plain_client_hello_test_support.hpp"

namespace knul::quic {
namespace {

constexpr std::uint64_t kMissingExtension = 0x16d;  // CRYPTO_ERROR of the TLS alert, RFC 8446 §6.2

// Sends a given ClientHello at Initial level. It has no TLS session.
class BareClient {
 public:
  BareClient(std::string hello, std::uint32_t version, base::Instant now)
      : hello_(std::move(hello)), settings_({}, to_timestamp(now)) {
    settings_.settings.rand_ctx.native_handle = &random_;
    const ngtcp2_cid dcid = id_of(1);
    const ngtcp2_cid scid = id_of(2);
    const base::Path path = EndpointPair::path();
    const ngtcp2_path native = to_ngtcp2(path);
    const ngtcp2_callbacks callbacks = make_callbacks();
    ngtcp2_conn* conn = nullptr;
    EXPECT_EQ(ngtcp2_conn_client_new(&conn, &dcid, &scid, &native, version, &callbacks, &settings_.settings,
                                     &settings_.params, nullptr, this),
              0);
    conn_.reset(conn);
  }

  std::vector<std::uint8_t> write(base::Instant now) {
    std::vector<std::uint8_t> packet(1'452);
    const ngtcp2_ssize written =
        ngtcp2_conn_write_pkt(conn_.get(), nullptr, nullptr, packet.data(), packet.size(), to_timestamp(now));
    packet.resize(written > 0 ? static_cast<std::size_t>(written) : 0);
    return packet;
  }
  int read(std::span<const std::uint8_t> packet, base::Instant now) {
    const base::Path path = EndpointPair::path();
    const ngtcp2_path native = to_ngtcp2(path);
    const ngtcp2_pkt_info info{};
    return ngtcp2_conn_read_pkt(conn_.get(), &native, &info, packet.data(), packet.size(), to_timestamp(now));
  }
  [[nodiscard]] const ngtcp2_ccerr& error() const { return *ngtcp2_conn_get_ccerr(conn_.get()); }

 private:
  struct Delete {
    void operator()(ngtcp2_conn* conn) const { ngtcp2_conn_del(conn); }
  };

  static ngtcp2_cid id_of(std::uint8_t byte) {
    const std::vector<std::uint8_t> bytes(8, byte);
    return ConnectionId(bytes).to_ngtcp2();
  }
  static int send_hello(ngtcp2_conn* conn, void* user_data) {
    const std::string& hello = static_cast<BareClient*>(user_data)->hello_;
    // The Initial keys depend on a connection ID only, as after a Retry.
    ngtcp2_pkt_hd header{};
    header.scid = *ngtcp2_conn_get_dcid(conn);
    if (const int result = ngtcp2_crypto_recv_retry_cb(conn, &header, user_data); result != 0) {
      return result;
    }
    return ngtcp2_conn_submit_crypto_data(conn, NGTCP2_ENCRYPTION_LEVEL_INITIAL, bytes_of(hello).data(),
                                          hello.size());
  }
  static ngtcp2_callbacks make_callbacks() {
    ngtcp2_callbacks callbacks{};
    callbacks.client_initial = &send_hello;
    callbacks.recv_crypto_data = &ngtcp2_crypto_recv_crypto_data_cb;
    callbacks.encrypt = &ngtcp2_crypto_encrypt_cb;
    callbacks.decrypt = &ngtcp2_crypto_decrypt_cb;
    callbacks.hp_mask = &ngtcp2_crypto_hp_mask_cb;
    callbacks.recv_retry = &ngtcp2_crypto_recv_retry_cb;
    callbacks.update_key = &ngtcp2_crypto_update_key_cb;
    callbacks.delete_crypto_aead_ctx = &ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks.delete_crypto_cipher_ctx = &ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks.get_path_challenge_data = &ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks.version_negotiation = &ngtcp2_crypto_version_negotiation_cb;
    callbacks.rand = [](std::uint8_t* dest, std::size_t length, const ngtcp2_rand_ctx* context) {
      static_cast<base::RandomSource*>(context->native_handle)->fill({dest, length});
    };
    callbacks.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid*, std::uint8_t*, std::size_t, void*) {
      return NGTCP2_ERR_CALLBACK_FAILURE;  // never reached
    };
    return callbacks;
  }

  const std::string hello_;
  SeededRandom random_{2};
  TransportSettings settings_;
  std::unique_ptr<ngtcp2_conn, Delete> conn_;
};

// The error code in the server's CONNECTION_CLOSE packet.
std::uint64_t close_code_for(const std::string& hello, std::uint32_t version,
                             const ProtectionLibrary* protection) {
  EndpointPair pair(
      [protection](EndpointOptions& server, EndpointOptions&) { server.protection = protection; });
  BareClient client(hello, version, pair.now);
  const std::vector<std::uint8_t> initial = client.write(pair.now);
  EXPECT_GE(initial.size(), 1'200U);
  const base::Path path = EndpointPair::path();
  std::ignore =
      pair.server->handle_datagram({{path.remote, path.local}, base::Ecn::kNotEct, initial}, pair.now);
  base::SendBatch batch({});
  pair.server->poll_send(batch, pair.now);
  if (batch.is_empty()) {
    ADD_FAILURE() << "the server said nothing";
    return 0;
  }
  EXPECT_EQ(client.read(batch.bytes(batch.trains()[0]), pair.now), NGTCP2_ERR_DRAINING);
  EXPECT_EQ(client.error().type, NGTCP2_CCERR_TYPE_TRANSPORT);
  EXPECT_EQ(pair.server_counters.connections_half_open.load(), 0U);
  return client.error().error_code;
}

// Both versions have their own Initial keys (RFC 9001 §5.2, RFC 9369 §3.3). The server derives them itself or
// leaves that to GnuTLS.
TEST(MissingParameters, CloseTheConnectionWithTheAlertMissingExtension) {
  for (const std::uint32_t version : {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2}) {
    for (const ProtectionLibrary* const protection :
         {ipsec_mb(), static_cast<const ProtectionLibrary*>(nullptr)}) {
      SCOPED_TRACE(testing::Message() << std::hex << version << (protection != nullptr ? ", ipsec-mb" : ""));
      EXPECT_EQ(close_code_for(plain_client_hello("knul"), version, protection), kMissingExtension);
    }
  }
}

}  // namespace
}  // namespace knul::quic
