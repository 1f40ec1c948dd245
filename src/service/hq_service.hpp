// HTTP/0.9 over QUIC, ALPN "hq-interop": "GET /path" on a bidirectional stream is answered with the bytes of
// a regular file below the root, or with a reset (service_codes.hpp). Weak case: pread on the worker's
// thread, so a cold disk delays all its connections; this service is for tests and interoperability.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <krepis/krepis.hpp>

#include "service/open_files.hpp"
#include "service/service_codes.hpp"
#include "service/user_states.hpp"

namespace knul::service {

class HqService final : public krepis::Application {
 public:
  static constexpr std::size_t kChunkBytes = 64 << 10;

  explicit HqService(std::shared_ptr<const FileRoot> root);

  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Stream& stream) override;

  // The number of files with an open descriptor.
  [[nodiscard]] std::size_t open_files() const { return files_.count(); }

 private:
  struct Request {
    std::string line;                       // up to its end
    bool has_ended = false;                 // the FIN was received
    bool is_answered = false;               // the request was handled; later bytes are dropped
    std::unique_ptr<OpenFiles::File> file;  // while its bytes are being sent
    std::uint64_t offset = 0;

    // Closes the file: no more bytes are sent.
    void end_answer();
  };

  void take_request(krepis::Stream& stream, Request& request, std::string_view line);
  void send_file(krepis::Stream& stream, Request& request);
  static void refuse(krepis::Stream& stream, Request& request, ServiceCode code);

  OpenFiles files_;  // Order: before the requests, which refer to it
  std::vector<std::uint8_t> chunk_;
  UserStates<krepis::Stream, Request> requests_;
};

}  // namespace knul::service
