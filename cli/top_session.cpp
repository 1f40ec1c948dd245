#include "cli/top_session.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "cli/sample_reader.hpp"
#include "cli/terminal.hpp"
#include "cli/top_controls.hpp"
#include "cli/top_frame.hpp"

namespace knul::cli {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

// Runs the context until the reader has a sample or has failed.
Outcome<Sample> read_now(asio::io_context& context, SampleReader& reader) {
  std::optional<Outcome<Sample>> result;
  reader.read(first_order(), [&](Outcome<Sample> sample) { result = std::move(sample); });
  context.restart();
  while (!result && context.run_one() > 0) {
  }
  return result ? *std::move(result) : run_failure("the reading ended without a result");
}

class TopSession {
 public:
  TopSession(asio::io_context& context, SampleReader& reader, Terminal& terminal, std::string address,
             milliseconds interval, Sample first)
      : context_(context),
        reader_(reader),
        terminal_(terminal),
        address_(std::move(address)),
        interval_(interval),
        timer_(context),
        signals_(context),
        keys_(context, ::dup(terminal.keys())),
        first_(std::move(first)),
        now_(first_) {}

  void run() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT}) {
      signals_.add(number);
    }
    terminal_.enter();
    await_signal();
    await_keys();
    await_tick();
    draw();
    context_.restart();
    context_.run();
    terminal_.leave();
  }

 private:
  void await_signal() {
    signals_.async_wait([this](error_code error, int number) {
      if (error) {
        return;
      }
      handle_signal(number);
      await_signal();
    });
  }

  void handle_signal(int number) {
    switch (number) {
      case SIGWINCH:
        break;
      case SIGTSTP:
        terminal_.leave();
        ::raise(SIGSTOP);
        return;  // SIGCONT follows
      case SIGCONT:
        terminal_.enter();
        break;
      default:
        return context_.stop();
    }
    terminal_.clear();
    draw();
  }

  void await_keys() {
    keys_.async_read_some(asio::buffer(bytes_), [this](error_code error, std::size_t size) {
      if (error) {
        return context_.stop();  // the terminal has gone
      }
      handle_keys({bytes_.data(), size});
    });
  }

  void handle_keys(std::string_view bytes) {
    const TableOrder before = controls_.order;
    const bool was_paused = controls_.is_paused;
    for (const KeyPress& press : key_reader_.feed(bytes)) {
      controls_.handle(press, terminal_.size().columns, table_rows_);
    }
    if (controls_.has_quit) {
      return context_.stop();
    }
    const bool is_reordered =
        before.column != controls_.order.column || before.is_descending != controls_.order.is_descending;
    if (!controls_.is_paused && (is_reordered || was_paused)) {
      read();
    }
    draw();
    await_keys();
  }

  void await_tick() {
    timer_.expires_after(interval_);
    timer_.async_wait([this](error_code error) {
      if (error) {
        return;
      }
      if (!controls_.is_paused && !is_reading_) {
        read();
      }
      await_tick();
    });
  }

  // One read at a time; another one follows if a key asked for it meanwhile.
  void read() {
    if (is_reading_) {
      wants_another_ = true;
      return;
    }
    is_reading_ = true;
    reader_.read(controls_.order, [this](Outcome<Sample> sample) {
      is_reading_ = false;
      sample ? accept(*std::move(sample)) : note_failure(sample.error());
      draw();
      if (std::exchange(wants_another_, false)) {
        read();
      }
    });
  }

  void accept(Sample sample) {
    message_.clear();
    if (controls_.is_paused) {
      return;
    }
    if (is_restart(now_, sample)) {
      first_ = sample;
      earlier_.reset();
    } else if (rates_between(now_, sample)) {
      earlier_ = std::move(now_);
    }
    now_ = std::move(sample);
  }

  void note_failure(const Failure& failure) { message_ = "no reading, trying again: " + failure.message; }

  void draw() {
    sort_connections(now_.connections, controls_.order);
    const Frame frame = make_frame({.address = address_,
                                    .first = &first_,
                                    .earlier = earlier_ ? &*earlier_ : nullptr,
                                    .now = &now_,
                                    .order = controls_.order,
                                    .first_row = controls_.first_row,
                                    .is_paused = controls_.is_paused,
                                    .message = message_},
                                   terminal_.size());
    controls_.first_row = frame.first_row;
    table_rows_ = frame.table_rows;
    terminal_.draw(frame);
  }

  asio::io_context& context_;
  SampleReader& reader_;
  Terminal& terminal_;
  const std::string address_;
  const milliseconds interval_;
  asio::steady_timer timer_;
  asio::signal_set signals_;
  asio::posix::stream_descriptor keys_;
  std::array<char, 256> bytes_{};
  KeyReader key_reader_;
  TopControls controls_;
  std::size_t table_rows_ = 0;
  bool is_reading_ = false;
  bool wants_another_ = false;
  Sample first_;
  std::optional<Sample> earlier_;  // of the same run of the server as now_
  Sample now_;
  std::string message_;
};

}  // namespace

Outcome<SamplePair> sample_twice(const AdminAddress& address, milliseconds interval) {
  asio::io_context context;
  auto client = AdminClient::open(context, address);
  if (!client) {
    return std::move(client).error();
  }
  SampleReader reader(**client, address.shown);
  auto earlier = read_now(context, reader);
  if (!earlier) {
    return std::move(earlier).error();
  }
  asio::steady_timer pause(context, interval);
  pause.async_wait([](error_code) {});
  context.restart();
  context.run();
  auto later = read_now(context, reader);
  if (!later) {
    return std::move(later).error();
  }
  return SamplePair{*std::move(earlier), *std::move(later)};
}

Outcome<void> run_top(const AdminAddress& address, milliseconds interval) {
  // The context is the last to end: operations that are still pending refer to the session until then.
  auto context = std::make_unique<asio::io_context>();
  auto client = AdminClient::open(*context, address);
  if (!client) {
    return std::move(client).error();
  }
  SampleReader reader(**client, address.shown);
  auto first = read_now(*context, reader);
  if (!first) {
    return std::move(first).error();
  }
  auto terminal = Terminal::open();
  if (!terminal) {
    return std::move(terminal).error();
  }
  TopSession(*context, reader, **terminal, address.shown, interval, *std::move(first)).run();
  return {};
}

}  // namespace knul::cli
