#include "cli/perf_transfer.hpp"

#include <algorithm>
#include <array>

namespace knul::cli {
namespace {

// One train of packets, small enough to stay in the cache.
constexpr std::size_t kChunkBytes = 64 << 10;
alignas(64) constexpr std::array<std::uint8_t, kChunkBytes> kUpload{};

// Lifetime: static, so the owner counts nothing.
krepis::SharedBytes upload_bytes(std::size_t size) {
  return {std::shared_ptr<const void>(std::shared_ptr<const void>(), kUpload.data()),
          std::span<const std::uint8_t>(kUpload.data(), size)};
}

}  // namespace

TransferApplication::TransferApplication(std::shared_ptr<PerfRun> run, Destination destination,
                                         const TransferPlan& plan)
    : ConnectedPerfApplication(std::move(run), std::move(destination), plan.connections),
      plan_(plan),
      parts_(plan.connections),
      unfinished_(plan.connections * plan.streams) {}

void TransferApplication::begin_work(krepis::Connection& connection) { open_streams(connection); }

void TransferApplication::on_streams_available(krepis::Connection& connection,
                                               krepis::StreamDirection direction) {
  if (direction == krepis::StreamDirection::kBidirectional) {
    open_streams(connection);
  }
}

void TransferApplication::open_streams(krepis::Connection& connection) {
  std::deque<Part>& parts = parts_[connection.context()];
  while (parts.size() < plan_.streams) {
    const auto opened = connection.open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened) {
      return;  // on_streams_available follows, unless the connection is closing
    }
    // Each stream transfers the same number of bytes; the first one also transfers the remainder.
    const std::uint64_t share =
        plan_.bytes / plan_.streams + (parts.empty() ? plan_.bytes % plan_.streams : 0);
    const bool is_download = plan_.direction == TransferDirection::kDownload;
    Part& part = parts.emplace_back(Part{is_download ? share : 0, is_download ? 0 : share});
    krepis::Stream& stream = **opened;
    stream.set_user(&part);
    std::array<std::uint8_t, kPerfHeaderBytes> header{};
    write_perf_header(part.to_receive, header.data());
    const krepis::Fin fin{part.to_send == 0};
    if (stream.write(header, fin) < header.size()) {
      run().fail("a stream did not accept the request");
      return;
    }
    if (part.to_send > 0) {
      send(stream, part);
    }
  }
}

void TransferApplication::send(krepis::Stream& stream, Part& part) {
  while (part.to_send > 0) {
    const std::size_t chunk = std::min<std::uint64_t>(part.to_send, kChunkBytes);
    const krepis::Fin fin{chunk == part.to_send};
    const std::size_t accepted = stream.write(upload_bytes(chunk), fin);
    part.to_send -= accepted;
    run().count(accepted);
    if (accepted < chunk) {
      return;  // on_stream_writable follows
    }
  }
}

void TransferApplication::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                         krepis::Fin fin) {
  run().notice_server();
  if (!bytes.empty()) {
    stream.consume(bytes.size());
  }
  Part& part = *static_cast<Part*>(stream.user());
  const bool is_too_long = bytes.size() > part.to_receive;
  part.to_receive -= is_too_long ? part.to_receive : bytes.size();
  if (plan_.direction == TransferDirection::kDownload) {
    run().count(bytes.size());
  }
  if (is_too_long || (fin == krepis::Fin::kYes && part.to_receive > 0)) {
    run().fail(destination().shown + ": the server did not send the requested number of bytes");
  }
}

void TransferApplication::on_stream_writable(krepis::Stream& stream) {
  run().notice_server();
  send(stream, *static_cast<Part*>(stream.user()));
}

void TransferApplication::on_stream_reset(krepis::Stream& /*stream*/, std::uint64_t code) {
  run().fail(destination().shown + ": the server reset a stream with code " + std::to_string(code));
}

void TransferApplication::on_stop_sending(krepis::Stream& /*stream*/, std::uint64_t code) {
  run().fail(destination().shown + ": the server refused the upload with code " + std::to_string(code));
}

void TransferApplication::on_stream_closed(krepis::Stream& /*stream*/) {
  if (--unfinished_ == 0) {
    run().finish();
  }
}

}  // namespace knul::cli
