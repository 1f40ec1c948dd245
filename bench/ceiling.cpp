// What this machine could do if QUIC itself cost nothing: AES-128-GCM packets of 1,452 bytes with header
// protection, in GSO trains over loopback, received with GRO and decrypted. Two processes, pinned as asked.
//   ceiling BYTES SENDER_CPU RECEIVER_CPU gnutls|ipsec_mb
// prints one JSON line; only {"is_available":false} where build or processor are without that library.
#include <gnutls/crypto.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/log.hpp"
#include "number_argument.hpp"
#include "pinned_process.hpp"
#include "quic/crypto/protection_library.hpp"
#include "stats/worker_counters.hpp"
#include "udp/udp_socket.hpp"

namespace {

using namespace knul;
using bench::cpu_seconds;
using bench::fail;
using bench::pin;

constexpr std::size_t kPacketBytes = 1'452;
constexpr std::size_t kHeaderBytes = 11;  // first byte, connection ID of 8, packet number of 2
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTrainPackets = 45;
constexpr std::size_t kWindowPackets = 1'000;  // unacknowledged, so that nothing is lost on the way

// Packet protection as RFC 9001 §5 does it: AEAD with the packet number as nonce, then a header mask.
class Protection {
 public:
  virtual ~Protection() = default;
  void seal(std::uint8_t* packet, const std::uint8_t* plain, std::size_t plain_bytes) {
    if (!encrypt(packet, plain, plain_bytes, next_nonce()))
      fail("encryption");
    mask(packet);
  }
  bool open(std::uint8_t* packet, std::size_t bytes, std::uint8_t* plain) {
    mask(packet);
    return decrypt(packet, bytes, plain, next_nonce());
  }

 private:
  virtual bool encrypt(std::uint8_t* packet, const std::uint8_t* plain, std::size_t plain_bytes,
                       const std::uint8_t* nonce) = 0;
  virtual bool decrypt(std::uint8_t* packet, std::size_t bytes, std::uint8_t* plain,
                       const std::uint8_t* nonce) = 0;
  virtual void mask(std::uint8_t* packet) = 0;

  const std::uint8_t* next_nonce() {
    std::memcpy(nonce_.data(), &number_, sizeof(number_));
    ++number_;
    return nonce_.data();
  }

  std::array<std::uint8_t, quic::kAeadNonceBytes> nonce_{};
  std::uint64_t number_ = 0;
};

class GnutlsProtection final : public Protection {
 public:
  GnutlsProtection() {
    std::array<std::uint8_t, 16> key{};
    const gnutls_datum_t datum{key.data(), key.size()};
    std::array<std::uint8_t, 16> iv{};
    const gnutls_datum_t iv_datum{iv.data(), iv.size()};
    if (gnutls_aead_cipher_init(&aead_, GNUTLS_CIPHER_AES_128_GCM, &datum) != 0 ||
        gnutls_cipher_init(&header_, GNUTLS_CIPHER_AES_128_CBC, &datum, &iv_datum) != 0) {
      fail("gnutls");
    }
  }
  ~GnutlsProtection() override {
    gnutls_aead_cipher_deinit(aead_);
    gnutls_cipher_deinit(header_);
  }
  GnutlsProtection(const GnutlsProtection&) = delete;
  GnutlsProtection& operator=(const GnutlsProtection&) = delete;

 private:
  bool encrypt(std::uint8_t* packet, const std::uint8_t* plain, std::size_t plain_bytes,
               const std::uint8_t* nonce) override {
    std::size_t length = plain_bytes + kTagBytes;
    return gnutls_aead_cipher_encrypt(aead_, nonce, 12, packet, kHeaderBytes, kTagBytes, plain, plain_bytes,
                                      packet + kHeaderBytes, &length) == 0;
  }
  bool decrypt(std::uint8_t* packet, std::size_t bytes, std::uint8_t* plain,
               const std::uint8_t* nonce) override {
    std::size_t length = bytes;
    return gnutls_aead_cipher_decrypt(aead_, nonce, 12, packet, kHeaderBytes, kTagBytes,
                                      packet + kHeaderBytes, bytes - kHeaderBytes, plain, &length) == 0;
  }
  void mask(std::uint8_t* packet) override {
    std::array<std::uint8_t, 16> sample;
    std::memcpy(sample.data(), packet + kHeaderBytes + 2, sample.size());
    gnutls_cipher_encrypt(header_, sample.data(), sample.size());
  }

  gnutls_aead_cipher_hd_t aead_ = nullptr;
  gnutls_cipher_hd_t header_ = nullptr;
};

class IpsecMbProtection final : public Protection {
 public:
  explicit IpsecMbProtection(const quic::ProtectionLibrary& library) {
    constexpr std::array<std::uint8_t, 16> kKey{};
    aead_ = library.make_aead_key(quic::Cipher::kAes128Gcm, kKey);
    header_ = library.make_header_key(quic::Cipher::kAes128Gcm, kKey);
  }

 private:
  bool encrypt(std::uint8_t* packet, const std::uint8_t* plain, std::size_t plain_bytes,
               const std::uint8_t* nonce) override {
    return aead_->seal(packet + kHeaderBytes, {plain, plain_bytes}, nonce, {packet, kHeaderBytes});
  }
  bool decrypt(std::uint8_t* packet, std::size_t bytes, std::uint8_t* plain,
               const std::uint8_t* nonce) override {
    return aead_->open(plain, {packet + kHeaderBytes, bytes - kHeaderBytes}, nonce, {packet, kHeaderBytes});
  }
  void mask(std::uint8_t* packet) override {
    std::array<std::uint8_t, 5> bits;
    (void)header_->mask(bits.data(), packet + kHeaderBytes + 2);
  }

  std::unique_ptr<quic::AeadKey> aead_;
  std::unique_ptr<quic::HeaderKey> header_;
};

// Null: not here.
std::unique_ptr<Protection> make_protection(std::string_view library) {
  if (library == "gnutls")
    return std::make_unique<GnutlsProtection>();
  const quic::ProtectionLibrary* const ipsec_mb = quic::ipsec_mb();
  return ipsec_mb == nullptr ? nullptr : std::make_unique<IpsecMbProtection>(*ipsec_mb);
}

udp::UdpSocket open_socket(base::LogSink& log) {
  udp::SocketOptions options;
  options.address = *base::SocketAddress::parse("127.0.0.1", 0);
  options.send_buffer_bytes = options.receive_buffer_bytes = 4 << 20;
  auto socket = udp::UdpSocket::open(options, log);
  if (!socket)
    fail(socket.error().message.c_str());
  return *std::move(socket);
}

void wait_readable(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  timeval patience{2, 0};
  if (select(fd + 1, &set, nullptr, nullptr, &patience) <= 0) {
    std::fputs("ceiling: nothing came for two seconds\n", stderr);
    std::exit(1);
  }
}

// Receives `packets` packets and sends one short datagram back per receive call, as acknowledgements do.
double receive_all(Protection& protection, udp::UdpSocket& socket, std::uint64_t packets) {
  stats::WorkerCounters counters;
  udp::ReceiveBatch batch;
  base::SendBatch answers({});
  std::array<std::uint8_t, 2'048> plain;
  std::array<std::uint8_t, 2'048> copy;
  std::uint64_t got = 0;
  while (got < packets) {
    wait_readable(socket.fd());
    socket.receive(batch, counters);
    base::Path path;
    while (const base::ReceivedDatagram* datagram = batch.next()) {
      std::memcpy(copy.data(), datagram->payload.data(), kHeaderBytes + 18);
      if (!protection.open(const_cast<std::uint8_t*>(datagram->payload.data()), datagram->payload.size(),
                           plain.data())) {
        std::fputs("ceiling: a packet did not decrypt\n", stderr);
        std::exit(1);
      }
      path = datagram->path;
      ++got;
    }
    std::memcpy(answers.room().data(), &got, sizeof(got));
    answers.commit(path, base::Ecn::kNotEct, sizeof(got));
    udp::SendCursor cursor;
    socket.send(answers, cursor, counters);
    answers.clear();
  }
  return cpu_seconds();
}

double send_all(Protection& protection, udp::UdpSocket& socket, const base::Path& path,
                std::uint64_t packets) {
  stats::WorkerCounters counters;
  udp::ReceiveBatch batch;
  base::SendBatch trains({});
  std::array<std::uint8_t, 64 * 1024> source{};
  constexpr std::size_t kPlainBytes = kPacketBytes - kHeaderBytes - kTagBytes;
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  while (acknowledged < packets) {
    while (sent < packets && sent - acknowledged + kTrainPackets <= kWindowPackets) {
      for (std::size_t i = 0; i < kTrainPackets && sent < packets; ++i, ++sent) {
        const std::size_t at = (sent * kPlainBytes) % (source.size() - kPlainBytes);
        protection.seal(trains.room().data(), source.data() + at, kPlainBytes);
        trains.commit(path, base::Ecn::kNotEct, kPacketBytes);
      }
      udp::SendCursor cursor;
      while (socket.send(trains, cursor, counters).status != udp::SendStatus::kDone) {
      }
      trains.clear();
    }
    wait_readable(socket.fd());
    socket.receive(batch, counters);
    while (const base::ReceivedDatagram* datagram = batch.next()) {
      std::memcpy(&acknowledged, datagram->payload.data(), sizeof(acknowledged));
    }
  }
  return cpu_seconds();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("use: ceiling BYTES SENDER_CPU RECEIVER_CPU gnutls|ipsec_mb\n", stderr);
    return 2;
  }
  const std::unique_ptr<Protection> protection = make_protection(argv[4]);
  if (!protection) {
    std::puts("{\"is_available\":false}");
    return 0;
  }
  const std::uint64_t packets = knul::bench::number_argument<std::uint64_t>("BYTES", argv[1], 1) /
                                (kPacketBytes - kHeaderBytes - kTagBytes);
  base::NullLogSink log;
  udp::UdpSocket sender = open_socket(log);
  udp::UdpSocket receiver = open_socket(log);
  std::array<int, 2> pipe_fds{};
  if (pipe(pipe_fds.data()) != 0)
    fail("pipe");
  const pid_t child = fork();
  if (child < 0)
    fail("fork");
  if (child == 0) {
    pin(knul::bench::number_argument<int>("RECEIVER_CPU", argv[3]));
    const double cpu = receive_all(*protection, receiver, packets);
    return write(pipe_fds[1], &cpu, sizeof(cpu)) == sizeof(cpu) ? 0 : 1;
  }
  close(pipe_fds[1]);  // or a child that died would be waited for
  pin(knul::bench::number_argument<int>("SENDER_CPU", argv[2]));
  const auto begin = std::chrono::steady_clock::now();
  const double sender_cpu =
      send_all(*protection, sender, {sender.local_address(), receiver.local_address()}, packets);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  double receiver_cpu = 0;
  int status = 0;
  if (read(pipe_fds[0], &receiver_cpu, sizeof(receiver_cpu)) != sizeof(receiver_cpu) ||
      waitpid(child, &status, 0) != child || status != 0) {
    return 1;
  }
  const double gib = static_cast<double>(packets * (kPacketBytes - kHeaderBytes - kTagBytes)) / 0x1p30;
  std::printf(
      "{\"is_available\":true,\"gbit_s\":%.3f,\"sender_cpu_s_gib\":%.4f,\"receiver_cpu_s_gib\":%.4f}\n",
      gib * 0x1p30 * 8 / seconds / 1e9, sender_cpu / gib, receiver_cpu / gib);
  return 0;
}
