// The built-in services behind a connection that never existed: any bytes in any pieces, in every order of
// events that the engine may produce. hq must answer with files of its root only, perf with as many bytes as
// were asked for.
#include "service/service.hpp"

#include <filesystem>
#include <fstream>
#include <set>

#include "input.hpp"
#include "service/fake_connection_test_support.hpp"
#include "service/hq_request.hpp"
#include "support/temporary_folder.h"

namespace {

using namespace knul;
using service::test_support::FakeConnection;
using service::test_support::FakeStream;

constexpr int kMaxSteps = 200;
constexpr std::size_t kMaxRoom = 1 << 16;
constexpr const char* kSecret = "outside the root";

const std::string& hq_root() {
  static const test::TemporaryFolder folder;
  static const std::string root = [] {
    std::filesystem::create_directories(folder.file("root/a"));
    std::ofstream(folder.file("secret")) << kSecret;
    std::ofstream(folder.file("root/f")) << std::string(70'000, 'f');
    std::ofstream(folder.file("root/a/b")) << "b";
    std::filesystem::create_symlink("../secret", folder.file("root/l"));
    return folder.file("root");
  }();
  return root;
}

// Tells a service only what the engine would.
class Peer {
 public:
  Peer(std::string_view name, const std::string& root)
      : application_((*service::service_factory(name, root))(0)),
        is_hq_(name == "hq"),
        is_perf_(name == "perf") {
    application_->on_connection(connection_);
  }
  ~Peer() { application_->on_connection_closed(connection_, {}); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void step(fuzz::Input& input) {
    const std::uint8_t what = input.byte();
    const krepis::StreamId id = (what >> 4) * 2U;  // bidirectional and unidirectional ones of the client
    if (closed_.contains(id)) {
      return;
    }
    const bool is_bidirectional = (id & 2) == 0;
    FakeStream& stream = connection_.streams[id];
    if (known_.insert(id).second) {
      stream.room = is_bidirectional ? kMaxRoom : 0;
      application_->on_stream_opened(stream);
    }
    switch (what & 7) {
      case 0:
      case 1:
        return deliver(id, input.chunk(), (what & 1) != 0);
      case 2:
        return deliver(id, input.bytes(1 + input.byte() % 12U), (what & 8) != 0);
      case 3:
        stream.room = input.number(2);
        if (is_bidirectional && !stream.has_fin && !stream.reset_code && !stopped_.contains(id)) {
          application_->on_stream_writable(stream);
        }
        return;
      case 4:
        if (ended_.insert(id).second) {
          application_->on_stream_reset(stream, input.byte());
        }
        return;
      case 5:
        if (is_bidirectional && stopped_.insert(id).second) {
          application_->on_stop_sending(stream, input.byte());
        }
        return;
      case 6:
        return close(id);
      default:
        return application_->on_datagram(connection_, input.chunk());
    }
  }

  void check() {
    for (auto& [id, stream] : connection_.streams) {
      FUZZ_CHECK(stream.consumed <= received_[id].size());
      FUZZ_CHECK(!is_hq_ || stream.sent.find(kSecret) == std::string::npos);
      if (is_perf_) {
        FUZZ_CHECK(stream.sent.size() <= requested(received_[id]));
        FUZZ_CHECK(!stream.has_fin || stream.sent.size() == requested(received_[id]));
      } else if (!is_hq_ && (id & 3) == 0) {  // unidirectional ones are answered on another
        FUZZ_CHECK(received_[id].starts_with(stream.sent));
      }
    }
  }

 private:
  void deliver(krepis::StreamId id, std::span<const std::uint8_t> bytes, bool is_fin) {
    if (ended_.contains(id) || (bytes.empty() && !is_fin)) {
      return;
    }
    const fuzz::Bytes exact(bytes.begin(), bytes.end());
    received_[id].append(exact.begin(), exact.end());
    if (is_fin) {
      ended_.insert(id);
    }
    application_->on_stream_data(connection_.streams[id], exact,
                                 is_fin ? krepis::Fin::kYes : krepis::Fin::kNo);
  }
  // Both directions must be over, and the service must not retain the stream.
  void close(krepis::StreamId id) {
    FakeStream& stream = connection_.streams[id];
    const bool has_sent_all = stream.has_fin || stream.reset_code || stopped_.contains(id) || (id & 2) != 0;
    if (has_sent_all && (ended_.contains(id) || stream.stop_code) && !stream.is_retained) {
      application_->on_stream_closed(stream);
      closed_.insert(id);
    }
  }
  static std::uint64_t requested(const std::string& request) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; request.size() >= 8 && i < 8; ++i) {
      count = count << 8 | static_cast<std::uint8_t>(request[i]);
    }
    return count;
  }

  FakeConnection connection_;
  std::unique_ptr<krepis::Application> application_;
  bool is_hq_, is_perf_;
  std::set<krepis::StreamId> known_, ended_, stopped_, closed_;
  std::map<krepis::StreamId, std::string> received_;
};

void check_request(std::span<const std::uint8_t> bytes) {
  const std::string line(bytes.begin(), bytes.end());
  const std::string_view path = service::parse_hq_request(line);
  FUZZ_CHECK(path.empty() || (line.starts_with("GET /") && line.substr(5).starts_with(path)));
  FUZZ_CHECK(std::ranges::none_of(path, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr const char* kNames[] = {"hq", "perf", "echo"};
  check_request({data, size});
  fuzz::Input input(data, size);
  const std::string name = kNames[input.byte() % 3];
  Peer peer(name, name == "hq" ? hq_root() : std::string());
  for (int step = 0; step < kMaxSteps && !input.is_empty(); ++step) {
    peer.step(input);
    peer.check();
  }
  return 0;
}
