// The settings of krepis_quic_start_json: any text is refused with a message or becomes settings that,
// written as JSON, are read back unchanged.
#include "server/settings_json.hpp"

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace knul;
  const std::vector<char> exact(data, data + size);  // no NUL behind it
  auto parsed = server::parse_settings_json({exact.data(), exact.size()});
  if (!parsed) {
    FUZZ_CHECK(parsed.error().kind == base::ErrorKind::kInvalidArgument);
    FUZZ_CHECK(!parsed.error().message.empty());
    return 0;
  }
  FUZZ_CHECK(server::validate(*parsed));
  const std::string written = server::settings_to_json(*parsed);
  auto again = server::parse_settings_json(written);
  FUZZ_CHECK(again);
  FUZZ_CHECK(server::settings_to_json(*again) == written);
  return 0;
}
