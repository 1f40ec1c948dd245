// Programs that close, reset, over-consume or throw inside every event. Nothing may be touched after its end
// (the sanitizers look), and nobody else may notice.
#include <deque>
#include <stdexcept>
#include <tuple>
#include "world.hpp"

namespace knul::sim {
namespace {

using krepis::Connection;
using krepis::Fin;
using krepis::Stream;
using krepis::StreamDirection;
using krepis::StreamId;

enum class Event : std::uint8_t {
  kConnection,
  kStreamOpened,
  kStreamData,
  kStreamFin,
  kStreamWritable,
  kStreamReset,
  kStopSending,
  kStreamClosed,
  kStreamsAvailable,
  kDatagram,
  kConnectionClosed,
  kTimer,
};
constexpr int kEvents = 12;

enum class Deed : std::uint8_t {
  kNothing,
  kClose,
  kReset,
  kStopSending,
  kResetBoth,
  kConsumeAll,
  kRetain,
  kRelease,
  kWriteFin,
  kOpenStreams,
  kSendDatagrams,
  kThrow,
  kEverything,
};
constexpr int kDeeds = 13;

struct Plan {
  Event when = Event::kConnection;
  Deed what = Deed::kNothing;
};

// Outlives the program.
struct Diary {
  unsigned seen[kEvents] = {};
  unsigned deeds = 0;
  std::deque<StreamId> words;  // of streams
  std::size_t words_taken = 0;
};

// Keeps every kind of event coming on both sides: echoes, resets, stops, opens streams, sends datagrams.
class LivelyProgram final : public krepis::Application {
 public:
  LivelyProgram(Plan plan, std::shared_ptr<Diary> diary) : plan_(plan), diary_(std::move(diary)) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }
  void on_connection(Connection& connection) override {
    open_[connection.id()] = &connection;
    const bool is_client = connection.context() != 0;
    for (int i = 0; i < (is_client ? 8 : 2); ++i) {
      start_stream(connection, StreamDirection::kBidirectional, 60'000);
    }
    start_stream(connection, StreamDirection::kUnidirectional, 500);
    connection.send_datagram(bytes(100));
    worker_->call_after(5ms, [this, id = connection.id()] {
      if (const auto found = open_.find(id); found != open_.end()) {
        act(Event::kTimer, *found->second, 0);
      }
    });
    act(Event::kConnection, connection, 0);
  }
  void on_connection_closed(Connection& connection, const krepis::CloseReason& /*reason*/) override {
    open_.erase(connection.id());
    connection.for_each_stream([this](Stream& stream) { take_word(stream); });
    act(Event::kConnectionClosed, connection, 0);
  }
  void on_stream_opened(Stream& stream) override {
    give_word(stream);
    act(Event::kStreamOpened, stream.connection(), stream.id());
  }
  void on_stream_data(Stream& stream, std::span<const std::uint8_t> data, Fin fin) override {
    expect_word(stream);
    stream.consume(data.size() / 2);
    const bool is_client = stream.connection().context() != 0;
    if (stream.id() % 16 == (is_client ? 0 : 8)) {
      stream.reset(8);
    }
    if (stream.id() % 16 == (is_client ? 4 : 12)) {
      stream.stop_sending(12);
    }
    if (stream.is_opened_by_server() == is_client) {
      stream.write(data, fin);
    }
    act(fin == Fin::kYes ? Event::kStreamFin : Event::kStreamData, stream.connection(), stream.id());
    stream.consume(data.size() - data.size() / 2);
  }
  void on_stream_writable(Stream& stream) override {
    expect_word(stream);
    stream.write(bytes(30'000), Fin::kYes);
    act(Event::kStreamWritable, stream.connection(), stream.id());
  }
  void on_stream_reset(Stream& stream, std::uint64_t /*code*/) override {
    expect_word(stream);
    stream.write(bytes(0), Fin::kYes);
    act(Event::kStreamReset, stream.connection(), stream.id());
  }
  void on_stop_sending(Stream& stream, std::uint64_t /*code*/) override {
    expect_word(stream);
    act(Event::kStopSending, stream.connection(), stream.id());
  }
  void on_stream_closed(Stream& stream) override {
    take_word(stream);
    act(Event::kStreamClosed, stream.connection(), stream.id());
  }
  void on_streams_available(Connection& connection, StreamDirection direction) override {
    start_stream(connection, direction, 100);
    act(Event::kStreamsAvailable, connection, 0);
  }
  void on_datagram(Connection& connection, std::span<const std::uint8_t> data) override {
    if (data.size() > 90) {
      connection.send_datagram(data.first(data.size() - 1));
    }
    act(Event::kDatagram, connection, 0);
  }

 private:
  static std::span<const std::uint8_t> bytes(std::size_t count) {
    static const std::vector<std::uint8_t> zeros(100'000);
    return std::span(zeros).first(count);
  }
  void start_stream(Connection& connection, StreamDirection direction, std::size_t count) {
    if (const auto stream = connection.open_stream(direction); stream.has_value()) {
      give_word(**stream);
      (*stream)->write(bytes(count), Fin::kYes);
    }
  }

  // Each stream has its own ID as its word, and gives it up once.
  void give_word(Stream& stream) {
    EXPECT_EQ(stream.user(), nullptr);
    stream.set_user(&diary_->words.emplace_back(stream.id()));
  }
  static void expect_word(const Stream& stream) {
    ASSERT_NE(stream.user(), nullptr);
    EXPECT_EQ(*static_cast<StreamId*>(stream.user()), stream.id());
  }
  void take_word(Stream& stream) {
    expect_word(stream);
    ++diary_->words_taken;
    stream.set_user(nullptr);
  }

  void act(Event event, Connection& connection, StreamId stream) {
    ++diary_->seen[static_cast<int>(event)];
    if (event != plan_.when || plan_.what == Deed::kNothing) {
      return;
    }
    ++diary_->deeds;
    commit(plan_.what, connection, stream);
  }

  template <class Call>
  static void with(Connection& connection, StreamId id, Call call) {
    if (Stream* const stream = connection.find_stream(id)) {
      call(*stream);
    }
  }

  void commit(Deed deed, Connection& connection, StreamId id) {
    switch (deed) {
      case Deed::kNothing:
        return;
      case Deed::kClose:
        return connection.close(77, "rash");
      case Deed::kReset:
        return with(connection, id, [](Stream& stream) { stream.reset(78); });
      case Deed::kStopSending:
        return with(connection, id, [](Stream& stream) { stream.stop_sending(79); });
      case Deed::kResetBoth:
        return with(connection, id, [](Stream& stream) {
          stream.reset(78);
          stream.stop_sending(79);
        });
      case Deed::kConsumeAll:
        return with(connection, id, [](Stream& stream) { stream.consume(~std::size_t{0}); });
      case Deed::kRetain:
        return with(connection, id, [](Stream& stream) { stream.retain(); });
      case Deed::kRelease:
        return with(connection, id, [](Stream& stream) {
          stream.retain();
          stream.release();
        });
      case Deed::kWriteFin:
        return with(connection, id, [](Stream& stream) {
          stream.write(bytes(10), Fin::kYes);
          stream.write(krepis::SharedBytes{std::make_shared<int>(1), bytes(20)}, Fin::kYes);
        });
      case Deed::kOpenStreams:
        start_stream(connection, StreamDirection::kBidirectional, 10);
        return start_stream(connection, StreamDirection::kUnidirectional, 10);
      case Deed::kSendDatagrams:
        connection.send_datagram(bytes(10));
        connection.send_datagram(bytes(60'000));
        connection.send_datagram({});
        return;
      case Deed::kThrow:
        throw std::runtime_error("rash");
      case Deed::kEverything:
        for (int other = static_cast<int>(Deed::kOpenStreams); other >= 0; --other) {
          commit(static_cast<Deed>(other), connection, id);
        }
        std::ignore = connection.info();
        std::ignore = connection.peer_address();
        std::ignore = connection.max_datagram_bytes();
        return;
    }
  }

  const Plan plan_;
  std::shared_ptr<Diary> diary_;
  krepis::Worker* worker_ = nullptr;
  std::map<std::uint64_t, Connection*> open_;
};

struct Couple {
  std::shared_ptr<Diary> server = std::make_shared<Diary>();
  std::shared_ptr<Diary> client = std::make_shared<Diary>();
};

void limit(quic::EndpointOptions& options) {
  options.transport.max_streams_bidi = 6;
  options.transport.max_streams_uni = 2;
  options.transport.stream_send_buffer_bytes = 30'000;
  options.transport.connection_send_buffer_bytes = 100'000;
  options.transport.idle_timeout = 3s;
}

// Two connections of a lively client to a lively server through a bad path, a drain, and late packets.
Couple live(std::uint64_t seed, Plan server_plan, Plan client_plan) {
  Couple couple;
  ServerSetup setup;
  setup.change = limit;
  setup.application = [&](unsigned) { return std::make_unique<LivelyProgram>(server_plan, couple.server); };
  World world(seed, setup);
  ClientSetup client;
  client.up.loss = client.down.loss = 0.05;
  client.up.duplicated = client.down.duplicated = 0.2;
  client.up.delayed = client.down.delayed = 0.2;
  client.up.extra_delay = client.down.extra_delay = 300ms;
  client.change = limit;
  client.application = std::make_unique<LivelyProgram>(client_plan, couple.client);
  ClientHost& host = world.add_client(std::move(client));
  for (std::uint64_t context = 1; context <= 2; ++context) {
    host.runner().connect({{client_address(0), world.server.address()}, "localhost", context});
  }
  world.network.run_for(2s);
  world.server.begin_drain(500ms);
  EXPECT_TRUE(world.run_until([&] { return world.server.is_stopped(); }, 1s));
  // Where the last packet was lost the idle timeout ends the client's connection: three probe timeouts on a
  // path such as this one are longer than what was set (RFC 9000 §10.1).
  EXPECT_TRUE(world.run_until([&] { return host.counters().connections_active.load() == 0; }, 60s));
  world.network.run_for(5s);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_active), 0U);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::streams_active), 0U);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::send_buffer_bytes), 0U);
  EXPECT_EQ(host.counters().streams_active.load(), 0U);
  EXPECT_EQ(host.counters().connections_active.load(), 0U);
  for (const Diary* diary : {couple.server.get(), couple.client.get()}) {
    EXPECT_EQ(diary->words_taken, diary->words.size()) << "of streams";
  }
  return couple;
}

// Otherwise the tests below would test nothing.
TEST(Lifetime, EveryEventHappensOnBothSides) {
  const Couple couple = live(1, {}, {});
  for (int event = 0; event < kEvents; ++event) {
    EXPECT_GT(couple.server->seen[event], 0U) << "event " << event;
    EXPECT_GT(couple.client->seen[event], 0U) << "event " << event;
  }
}

// Calls live(seed, plan) with every plan. Where loss and delay keep a plan's event from happening, which the
// deeds that live() returns tell, it has another try under another seed.
void expect_every_deed(const std::function<unsigned(std::uint64_t seed, Plan plan)>& live) {
  constexpr std::uint64_t kTries = 5;
  for_each_seed(1, [&](std::uint64_t seed) {
    for (int event = 0; event < kEvents; ++event) {
      for (int deed = 1; deed < kDeeds; ++deed) {
        const testing::ScopedTrace trace(__FILE__, __LINE__, testing::Message() << event << " " << deed);
        unsigned deeds = 0;
        for (std::uint64_t next = 0; next < kTries && deeds == 0; ++next) {
          deeds = live(seed + next * 1'000'000, {static_cast<Event>(event), static_cast<Deed>(deed)});
        }
        EXPECT_GT(deeds, 0U);
      }
    }
  });
}

TEST(Lifetime, SurvivesEveryDeedInEveryEventOfTheServer) {
  expect_every_deed([](std::uint64_t seed, Plan plan) { return live(seed, plan, {}).server->deeds; });
}

TEST(Lifetime, SurvivesEveryDeedInEveryEventOfTheClient) {
  expect_every_deed([](std::uint64_t seed, Plan plan) { return live(seed, {}, plan).client->deeds; });
}

// Answers requests, and throws in one event of one stream.
class ThrowingServer final : public krepis::Application {
 public:
  ThrowingServer(Event when, StreamId stream) : when_(when), stream_(stream) {}

  void on_start(krepis::Worker& worker) override { inner_.on_start(worker); }
  void on_connection(Connection& connection) override { inner_.on_connection(connection); }
  void on_connection_closed(Connection& connection, const krepis::CloseReason& reason) override {
    inner_.on_connection_closed(connection, reason);
  }
  void on_stream_opened(krepis::Stream& stream) override {
    inner_.on_stream_opened(stream);
    throw_at(Event::kStreamOpened, stream.id());
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> data, Fin fin) override {
    inner_.on_stream_data(stream, data, fin);
    throw_at(Event::kStreamData, stream.id());
  }
  void on_stream_writable(krepis::Stream& stream) override {
    inner_.on_stream_writable(stream);
    throw_at(Event::kStreamWritable, stream.id());
  }
  void on_stream_closed(krepis::Stream& stream) override {
    inner_.on_stream_closed(stream);
    throw_at(Event::kStreamClosed, stream.id());
  }

 private:
  void throw_at(Event event, StreamId stream) const {
    if (event == when_ && stream == stream_) {
      throw 42;  // whatever it is
    }
  }

  const Event when_;
  const StreamId stream_;
  RequestServer inner_{std::make_shared<ServerRecord>()};
};

void expect_one_stream_lost(std::uint64_t seed, Event when) {
  constexpr std::size_t kThrowing = 2;
  ServerSetup setup;
  setup.change = [](quic::EndpointOptions& options) { options.transport.stream_send_buffer_bytes = 20'000; };
  setup.application = [&](unsigned) { return std::make_unique<ThrowingServer>(when, kThrowing * 4); };
  World world(seed, setup);
  const ConnectionRecord& record =
      world.add_client().connect(std::vector<Request>(5, {.answer_bytes = 100'000}));
  world.network.run_for(5s);
  EXPECT_FALSE(record.closed.has_value()) << record.describe();
  for (std::size_t i = 0; i < 5; ++i) {
    const bool is_lost = i == kThrowing && when != Event::kStreamClosed;
    EXPECT_EQ(record.requests[i].is_complete, !is_lost) << i;
    if (is_lost) {
      EXPECT_EQ(record.requests[i].reset_code,
                static_cast<std::uint64_t>(krepis::LibraryCode::kApplicationError));
    }
  }
  EXPECT_GE(world.server.sum(&stats::WorkerCounters::application_exceptions), 1U);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::streams_active), 0U);
}

TEST(Exception, InAStreamEventCostsThatStreamAlone) {
  for_each_seed(1, [](std::uint64_t seed) {
    for (const Event when :
         {Event::kStreamOpened, Event::kStreamData, Event::kStreamWritable, Event::kStreamClosed}) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, testing::Message() << static_cast<int>(when));
      expect_one_stream_lost(seed, when);
    }
  });
}

}  // namespace
}  // namespace knul::sim
