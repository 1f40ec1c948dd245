// What `knul stats` and `knul top` make of the answers of a hostile server.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/statistic_text.hpp"
#include "cli/top_frame.hpp"
#include "input.hpp"

namespace {

using namespace knul;

std::string text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_printable(const std::string& line) {
  return std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; });
}

// An answer that is refused counts as one without statistics, as after a lost connection.
cli::Sample sample(const std::string& statistics) {
  cli::Sample made;
  if (auto parsed = cli::parse_answer(statistics, "here")) {
    made.statistics = *std::move(parsed);
  } else {
    FUZZ_CHECK(is_printable(parsed.error().message));
  }
  return made;
}

void check_frame(const cli::Frame& frame, cli::FrameSize size) {
  FUZZ_CHECK(frame.lines.size() == size.rows);
  for (const std::string& line : frame.lines) {
    FUZZ_CHECK(line.size() == size.columns && is_printable(line));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const cli::FrameSize terminal{static_cast<std::size_t>(input.byte()) + 1,
                                static_cast<std::size_t>(input.byte()) + 1};
  const std::uint8_t choice = input.byte();
  const cli::TableOrder order{choice / 2U % cli::top_columns().size(), choice % 2 == 0};
  const cli::Sample first = sample(text(input.chunk()));
  cli::Sample now = sample(text(input.chunk()));
  cli::set_list(now, cli::parse_answer(text(input.rest()), "here"), cli::kMostTableRows);
  FUZZ_CHECK(now.connections.size() <= cli::kMostTableRows);
  cli::sort_connections(now.connections, order);
  check_frame(cli::make_frame({.address = "here",
                               .first = &first,
                               .earlier = cli::is_restart(first, now) ? nullptr : &first,
                               .now = &now,
                               .order = order,
                               .first_row = choice},
                              terminal),
              terminal);
  std::string shown = cli::statistics_text(now.statistics);
  std::erase(shown, '\n');
  FUZZ_CHECK(is_printable(shown));
  const std::string report = cli::sample_report("here", first, now).dump(-1, ' ', true);
  FUZZ_CHECK(is_printable(report) && nlohmann::json::accept(report));
  return 0;
}
