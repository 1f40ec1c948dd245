#include "server/settings_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace knul::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kFiles = R"("cert_path":"c.pem","key_path":"k.pem")";

base::Result<ParsedSettings> parse(const std::string& members) {
  return parse_settings_json("{" + std::string(kFiles) + (members.empty() ? "" : ",") + members + "}");
}

void expect_refused(const std::string& members, const std::string& part_of_message) {
  const auto result = parse(members);
  ASSERT_FALSE(result) << members;
  EXPECT_EQ(result.error().kind, base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(result.error().message, HasSubstr(part_of_message)) << members;
}

TEST(SettingsJson, TakesValuesOfEveryType) {
  const auto parsed =
      parse(R"("port":4433,"host":"::1","workers":3,"gso":false,"alpn":["a","b"],"max_streams":7)");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->options.port, 4433);
  EXPECT_EQ(parsed->options.host, "::1");
  EXPECT_EQ(parsed->options.workers, 3U);
  EXPECT_FALSE(parsed->options.gso);
  EXPECT_THAT(parsed->options.alpn, ElementsAre("a", "b"));
  EXPECT_EQ(parsed->options.max_streams, 7U);
}

TEST(SettingsJson, KeepsTheDefaultsOfWhatIsNotGiven) {
  const auto parsed = parse("");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->options.idle_timeout_ms, krepis::ServerOptions{}.idle_timeout_ms);
  EXPECT_THAT(parsed->options.alpn, ElementsAre("knul"));
  EXPECT_EQ(parsed->service, "none");
}

TEST(SettingsJson, ReadsBackEverySettingThatItWrites) {
  ParsedSettings settings;
  settings.options.cert_path = "c";
  settings.options.key_path = "k";
  settings.options.max_connections = 5;
  settings.options.retry = "always";
  settings.service = "hq";
  settings.service_root = "/srv";
  const std::string text = settings_to_json(settings);
  const auto parsed = parse_settings_json(text);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(settings_to_json(*parsed), text);
  EXPECT_EQ(nlohmann::json::parse(text).size(), server::settings().size());
}

TEST(SettingsJson, TakesASingleAlpnNameAsAText) {
  EXPECT_THAT(parse(R"("alpn":"h3")")->options.alpn, ElementsAre("h3"));
}

TEST(SettingsJson, GivesAServiceItsOwnAlpnUnlessOneIsGiven) {
  EXPECT_THAT(parse(R"("service":"echo")")->options.alpn, ElementsAre("knul"));
  EXPECT_THAT(parse(R"("service":"perf")")->options.alpn, ElementsAre("perf"));
  EXPECT_THAT(parse(R"("service":"hq","service_root":"/srv")")->options.alpn, ElementsAre("hq-interop"));
  EXPECT_THAT(parse(R"("service":"perf","alpn":"mine")")->options.alpn, ElementsAre("mine"));
}

TEST(SettingsJson, NamesAnUnknownKey) { expect_refused(R"("prot":1)", "\"prot\" is not a setting"); }

TEST(SettingsJson, NamesAKeyThatIsGivenTwice) {
  expect_refused(R"("port":1,"port":2)", "\"port\" is given twice");
}

TEST(SettingsJson, NamesTheKeyOfAWrongType) {
  expect_refused(R"("port":"4433")", "port is \"4433\", expected a whole number from 0 to 65535");
  expect_refused(R"("port":1.5)", "port is 1.5");
  expect_refused(R"("port":-1)", "port is -1");
  expect_refused(R"("port":null)", "port is null");
  expect_refused(R"("port":true)", "port is true");
  expect_refused(R"("gso":1)", "gso is 1, expected true or false");
  expect_refused(R"("host":[1])", "host is a list, expected a string");
  expect_refused(R"("alpn":[1])", "alpn is a list with 1, expected a string or a list of strings");
  expect_refused(R"("alpn":{"a":"b"})", "alpn is an object");
  expect_refused(R"("alpn":["a",["b"]])", "alpn is a list with a list");
}

TEST(SettingsJson, NamesTheKeyOfAValueOutOfRange) {
  expect_refused(R"("port":65536)", "port is 65536");
  expect_refused(R"("port":18446744073709551616)", "port is 18446744073709551616");
  expect_refused(R"("max_streams":0)", "max_streams is 0, expected 1 to 4294967295");
  expect_refused(R"("max_streams":4294967296)", "max_streams is 4294967296");
  expect_refused(R"("workers":4294967296)", "workers is 4294967296");
  expect_refused(R"("workers":65)", "workers is 65, expected 0 to 64");
  expect_refused(R"("idle_timeout_ms":999)", "idle_timeout_ms is 999");
  expect_refused(R"("service":"ftp")", "service is \"ftp\", expected one of");
}

TEST(SettingsJson, RefusesAnAddressBesideASocketOfTheProgram) {
  EXPECT_EQ(parse(R"("listen_fd":7)")->options.listen_fd, 7U);
  expect_refused(R"("listen_fd":7,"port":0)", "port is given, expected none with listen_fd");
  expect_refused(R"("host":"127.0.0.1","listen_fd":7)", "host is given, expected none with listen_fd");
  expect_refused(R"("listen_fd":2147483648)", "listen_fd is 2147483648");
  EXPECT_TRUE(parse(R"("listen_fd":0,"port":4433)"));
}

TEST(SettingsJson, RefusesAServiceRootThatWouldNotBeUsedAndAnHqServiceWithoutOne) {
  expect_refused(R"("service_root":"/srv")", "service_root");
  expect_refused(R"("service":"hq")", "service_root is not given");
}

TEST(SettingsJson, RefusesTextsThatAreNotOneJsonObject) {
  for (const std::string text : {"", "[]", "1", "null", "{", "{} {}", "{\"port\":}", "{'port':1}",
                                 "{\"host\":\"\xff\"}", "{\"port\":1e999}", "{\"port\":1,}"}) {
    const auto result = parse_settings_json(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().kind, base::ErrorKind::kInvalidArgument);
  }
  EXPECT_FALSE(parse_settings_json(std::string(kMaxSettingsBytes + 1, ' ')));
}

TEST(SettingsJson, RefusesDeepNestingWithoutUsingTheStack) {
  const std::string deep(400'000, '[');
  EXPECT_FALSE(parse_settings_json(deep + std::string(400'000, ']')));
  EXPECT_FALSE(parse_settings_json("{\"alpn\":" + deep));
}

TEST(SettingsJson, NamesACertificateThatIsNotGiven) {
  const auto result = parse_settings_json("{}");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "cert_path is not given, expected a path, or the PEM text in cert_pem");
}

TEST(SettingsJson, NeverShowsAPrivateKey) {
  const auto parsed = parse_settings_json(R"({"cert_pem":"public","key_pem":"secret"})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->options.key_pem, "secret");
  const std::string shown = settings_to_json(*parsed);
  EXPECT_THAT(shown, HasSubstr("\"cert_pem\":\"public\""));
  EXPECT_THAT(shown, HasSubstr("\"key_pem\":\"(not shown)\""));
  for (const std::string members :
       {R"("key_pem":["secret"]})", R"("key_pem":{"secret":1}})", R"("key_pem":"secret","port":-1})",
        R"("key_pem":"secret","key_path":"k"})", R"("key_pem":"secret","key_pem":"secret"})",
        R"("keypem":"secret"})", R"("key_path":"-----BEGIN PRIVATE KEY-----secret"})",
        R"("key_pem":"secret\u0000"})", R"("key_pem":"secret)"}) {
    const auto refused = parse_settings_json(R"({"cert_path":"c",)" + members);
    ASSERT_FALSE(refused) << members;
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos) << refused.error().message;
  }
}

TEST(SettingsJson, TakesListsOfPaths) {
  const auto parsed = parse(R"("sni_cert_paths":["a","b"],"sni_key_paths":["c","c"])");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_THAT(parsed->options.sni_cert_paths, ElementsAre("a", "b"));
  EXPECT_THAT(parsed->options.sni_key_paths, ElementsAre("c", "c"));
}

TEST(SettingsJson, ClampsALongIdleTimeout) {
  EXPECT_EQ(parse(R"("idle_timeout_ms":18446744073709551615)")->options.idle_timeout_ms, 86'400'000U);
}

TEST(SettingsJson, WritesPathsThatAreNotUtf8AsReplacementCharacters) {
  ParsedSettings settings;
  settings.options.cert_path = "\xff.pem";
  EXPECT_THAT(settings_to_json(settings), HasSubstr("\uFFFD.pem"));
}

TEST(SettingsJson, DescribesEverySettingWithItsTypeDefaultAndRange) {
  const auto list = nlohmann::json::parse(describe_settings_json());
  ASSERT_EQ(list.size(), server::settings().size());
  const auto& workers =
      *std::ranges::find_if(list, [](const auto& entry) { return entry["name"] == "workers"; });
  EXPECT_EQ(workers["type"], "integer");
  EXPECT_EQ(workers["default"], 0);
  EXPECT_EQ(workers["min"], 0);
  EXPECT_EQ(workers["max"], 64);
  EXPECT_EQ(workers["unit"], "threads");
  const auto& retry = *std::ranges::find_if(list, [](const auto& entry) { return entry["name"] == "retry"; });
  EXPECT_EQ(retry["values"], nlohmann::json::parse(R"(["auto","never","always"])"));
}

// The row of docs/settings.md for a setting.
std::string documented_row(const nlohmann::json& entry) {
  std::ostringstream row;
  row << "| `" << entry["name"].get<std::string>() << "` | " << entry["type"].get<std::string>() << " | ";
  row << (entry["default"].is_null() ? "required" : "`" + entry["default"].dump() + "`") << " | ";
  if (entry.contains("values")) {
    for (const auto& value : entry["values"]) {
      row << (value == entry["values"].front() ? "" : ", ") << '`' << value.get<std::string>() << '`';
    }
  } else if (entry.contains("min")) {
    row << entry["min"] << " to " << entry["max"];
  }
  row << (entry.contains("unit") ? " " + entry["unit"].get<std::string>() : "") << " | ";
  row << entry["doc"].get<std::string>() << " |";
  return row.str();
}

TEST(SettingsJson, IsDocumentedRowByRowInDocsSettings) {
  std::ifstream file(KNUL_SOURCE_DIR "/docs/settings.md");
  ASSERT_TRUE(file);
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `")) {
      rows.push_back(line);
    }
  }
  std::vector<std::string> expected;
  for (const auto& entry : nlohmann::json::parse(describe_settings_json())) {
    expected.push_back(documented_row(entry));
  }
  std::string table;
  for (const std::string& row : expected) {
    table += row + "\n";
  }
  EXPECT_EQ(rows, expected) << "the table has to be:\n" << table;
}

}  // namespace
}  // namespace knul::server
