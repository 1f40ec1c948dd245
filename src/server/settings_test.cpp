#include "server/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "quic/crypto/protection_library.hpp"
#include "server/secrets.hpp"

namespace knul::server {
namespace {

using krepis::ServerOptions;
using ::testing::AllOf;
using ::testing::HasSubstr;

ServerOptions valid() {
  ServerOptions options;
  options.cert_path = "cert.pem";
  options.key_path = "key.pem";
  return options;
}

// Each integer setting.
std::vector<const Setting*> integers() {
  std::vector<const Setting*> found;
  for (const Setting& setting : settings()) {
    if (type_name(setting) == "integer") {
      found.push_back(&setting);
    }
  }
  return found;
}

void put(ServerOptions& options, const Setting& setting, std::uint64_t value) {
  std::visit(
      [&]<class T, class Owner>(T Owner::*place) {
        if constexpr (std::is_same_v<Owner, ServerOptions> && std::is_unsigned_v<T>) {
          options.*place = static_cast<T>(value);
        }
      },
      setting.place);
}

// A setting that may grow is checked against its maximum, so both values of a pair change together.
ServerOptions with(const Setting& setting, std::uint64_t value) {
  ServerOptions options = valid();
  const bool is_maximum = setting.name.starts_with("max_") && setting.name.ends_with("window_bytes");
  if (is_maximum || setting.name.starts_with("initial_max")) {
    options.initial_max_data_bytes = options.initial_max_stream_data_bytes = setting.min;
    options.max_window_bytes = options.max_stream_window_bytes = setting.max;
  }
  if (setting.name.ends_with("stream_send_buffer_bytes")) {
    options.stream_send_buffer_bytes = setting.min;
    options.max_stream_send_buffer_bytes = setting.max;
  }
  if (setting.name.starts_with("qlog_")) {
    options.qlog_folder = "folder";
    options.qlog_file_bytes = 64 << 10;
    options.qlog_total_bytes = std::uint64_t{1} << 40;
  }
  put(options, setting, value);
  return options;
}

TEST(Settings, DefaultsWithACertificateAndAKeyAreValid) { EXPECT_TRUE(validate(valid())); }

TEST(Settings, HaveUniqueNamesAndOneSentenceOfDocumentationEach) {
  std::set<std::string_view> names;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_TRUE(setting.doc.ends_with('.')) << setting.name;
    EXPECT_EQ(find_setting(setting.name), &setting);
  }
}

TEST(Settings, AcceptBothEndsOfEveryRange) {
  for (const Setting* setting : integers()) {
    EXPECT_TRUE(validate(with(*setting, setting->min))) << setting->name;
    EXPECT_TRUE(validate(with(*setting, setting->max))) << setting->name;
  }
}

TEST(Settings, RefuseWhatIsBelowOrAboveARangeAndNameIt) {
  for (const Setting* setting : integers()) {
    if (setting->name == "port") {
      continue;  // its type has no invalid values
    }
    std::vector<std::uint64_t> wrong;
    if (setting->min > 0) {
      wrong.push_back(setting->min - 1);
    }
    if (setting->above_max == AboveMax::kRefuse) {
      wrong.push_back(setting->max + 1);
    }
    for (const std::uint64_t value : wrong) {
      const auto status = validate(with(*setting, value));
      ASSERT_FALSE(status) << setting->name << " = " << value;
      EXPECT_EQ(status.error().kind, base::ErrorKind::kInvalidArgument);
      EXPECT_THAT(status.error().message,
                  AllOf(HasSubstr(std::string(setting->name)), HasSubstr(std::to_string(value)),
                        HasSubstr(std::to_string(setting->min))));
    }
  }
}

TEST(Settings, ClampAnIdleTimeoutOfMoreThanADay) {
  ServerOptions options = valid();
  options.idle_timeout_ms = ~std::uint64_t{0};
  ASSERT_TRUE(validate(options));
  clamp(options);
  EXPECT_EQ(options.idle_timeout_ms, 86'400'000U);
}

TEST(Settings, RefuseATextThatIsNotAmongTheAllowedOnes) {
  ServerOptions options = valid();
  options.congestion_control = "vegas";
  const auto status = validate(options);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "congestion_control is \"vegas\", expected one of \"cubic\", \"bbr\", \"reno\"");
}

TEST(Settings, AcceptIpsecMbExactlyWhereItIs) {
  ServerOptions options = valid();
  options.packet_protection = "ipsec_mb";
  EXPECT_EQ(static_cast<bool>(validate(options)), quic::ipsec_mb() != nullptr);
}

TEST(Settings, AcceptNumericHostsAndLocalhostOnly) {
  for (const char* host : {"127.0.0.1", "0.0.0.0", "::1", "::", "localhost"}) {
    ServerOptions options = valid();
    options.host = host;
    EXPECT_TRUE(validate(options)) << host;
  }
  for (const char* host : {"", "example.com", "127.0.0.1:80", "[::1]", "300.1.1.1", " 127.0.0.1"}) {
    ServerOptions options = valid();
    options.host = host;
    EXPECT_FALSE(validate(options)) << host;
  }
}

TEST(Settings, RefuseAddressesThatAreNotThoseOfAHostByTheirName) {
  const std::map<std::string, std::string> refused = {
      {"224.0.0.1", "multicast"},       {"239.1.2.3", "multicast"},  {"ff02::1", "multicast"},
      {"255.255.255.255", "broadcast"}, {"fe80::1", "link-local"},   {"febf::1", "link-local"},
      {"fe80::1%lo", "link-local"},     {"::ffff:127.0.0.1", "IPv4"}};
  for (const auto& [host, word] : refused) {
    ServerOptions options = valid();
    options.host = host;
    const auto status = validate(options);
    ASSERT_FALSE(status) << host;
    EXPECT_NE(status.error().message.find(word), std::string::npos) << status.error().message;
  }
}

TEST(Settings, RefuseAMissingCertificateAndATextWithANul) {
  ServerOptions options = valid();
  options.key_path.clear();
  EXPECT_FALSE(validate(options));
  options.key_path = std::string("key\0.pem", 8);
  EXPECT_FALSE(validate(options));
}

void expect_refused(const ServerOptions& options, const std::string& text) {
  const auto status = validate(options);
  ASSERT_FALSE(status) << text;
  EXPECT_EQ(status.error().kind, base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(status.error().message, text);
}

TEST(Settings, RequireExactlyOneOfPathAndTextOfCertificateAndKey) {
  ServerOptions options;
  expect_refused(options, "cert_path is not given, expected a path, or the PEM text in cert_pem");
  options.cert_pem = "-----BEGIN CERTIFICATE-----";
  expect_refused(options, "key_path is not given, expected a path, or the PEM text in key_pem");
  options.key_pem = "-----BEGIN PRIVATE KEY-----";
  EXPECT_TRUE(validate(options));
  options.key_path = "key.pem";
  expect_refused(options, "key_path is given beside key_pem, expected one of both");
  options.key_pem.clear();
  EXPECT_TRUE(validate(options)) << "a text and a path may be combined";
  options.cert_path = "cert.pem";
  expect_refused(options, "cert_path is given beside cert_pem, expected one of both");
}

TEST(Settings, RefuseAPrivateKeyInPlaceOfAPathWithoutShowingIt) {
  ServerOptions options = valid();
  options.key_path = "-----BEGIN PRIVATE KEY-----\nsecret";
  expect_refused(options, "key_path is a PEM text, expected a path, or the PEM text in key_pem");
  options = valid();
  options.sni_cert_paths = {"a"};
  options.sni_key_paths = {"-----BEGIN PRIVATE KEY-----\nsecret"};
  expect_refused(options, "sni_key_paths is a PEM text, expected paths");
}

TEST(Settings, RequireAsManyKeysAsCertificatesForNames) {
  ServerOptions options = valid();
  options.sni_cert_paths = {"a", "b"};
  options.sni_key_paths = {"a"};
  expect_refused(options, "sni_key_paths is a list of 1, expected as many as sni_cert_paths (2)");
  options.sni_key_paths = {"a", "a"};
  EXPECT_TRUE(validate(options)) << "two certificates may have the same key";
  options.sni_key_paths = {"a", ""};
  expect_refused(options, "sni_key_paths is a list with a text of 0 bytes, expected 1 to 4096 bytes");
  options.sni_cert_paths.assign(1'001, "a");
  expect_refused(options, "sni_cert_paths is a list of 1001, expected a list of 0 to 1000");
}

TEST(Settings, RefuseToWatchTexts) {
  ServerOptions options;
  options.cert_pem = options.key_pem = "text";
  options.watch_certificates = true;
  expect_refused(options,
                 "watch_certificates is true, expected false without a certificate, key or authority "
                 "file");
  options.key_pem.clear();
  options.key_path = "key.pem";
  EXPECT_TRUE(validate(options));
}

TEST(Settings, RequireAuthoritiesForClientCertificatesAndNoneWithoutThem) {
  for (const char* const mode : {"optional", "required"}) {
    ServerOptions options = valid();
    options.client_auth = mode;
    expect_refused(options, std::string("client_ca_path is not given beside client_auth \"") + mode +
                                "\", expected a path, or the PEM text in client_ca_pem");
    options.client_ca_path = "ca.pem";
    EXPECT_TRUE(validate(options));
    options.client_ca_pem = "text";
    expect_refused(options, "client_ca_path is given beside client_ca_pem, expected one of both");
    options.client_ca_path.clear();
    EXPECT_TRUE(validate(options));
  }
  ServerOptions options = valid();
  options.client_ca_path = "ca.pem";
  expect_refused(options,
                 "client_auth is \"none\" beside client_ca_path, expected \"optional\" or \"required\" with "
                 "authorities");
  options.client_auth = "always";
  expect_refused(options, "client_auth is \"always\", expected one of \"none\", \"optional\", \"required\"");
}

TEST(Settings, WipeTheirSecrets) {
  ServerOptions options;
  options.key_pem = std::string(100, 'k');
  const char* const bytes = options.key_pem.data();
  wipe(options);
  EXPECT_TRUE(options.key_pem.empty());
  EXPECT_EQ(std::string_view(bytes, 100).find('k'), std::string_view::npos);
}

TEST(Settings, RefuseAlpnListsThatTlsCannotCarry) {
  for (const std::vector<std::string>& alpn : {std::vector<std::string>{},
                                               {""},
                                               {std::string(256, 'x')},
                                               {"a", "a"},
                                               std::vector<std::string>(17, "x")}) {
    ServerOptions options = valid();
    options.alpn = alpn;
    EXPECT_FALSE(validate(options));
  }
}

TEST(Settings, RefuseALimitOfGrowthBelowWhatItBeginsWith) {
  struct Pair {
    const char* first_name;
    std::uint64_t ServerOptions::*first;
    const char* most_name;
    std::uint64_t ServerOptions::*most;
  };
  for (const Pair& pair :
       {Pair{"initial_max_data_bytes", &ServerOptions::initial_max_data_bytes, "max_window_bytes",
             &ServerOptions::max_window_bytes},
        Pair{"initial_max_stream_data_bytes", &ServerOptions::initial_max_stream_data_bytes,
             "max_stream_window_bytes", &ServerOptions::max_stream_window_bytes},
        Pair{"stream_send_buffer_bytes", &ServerOptions::stream_send_buffer_bytes,
             "max_stream_send_buffer_bytes", &ServerOptions::max_stream_send_buffer_bytes}}) {
    ServerOptions options = valid();
    options.*pair.first = options.*pair.most + 1;
    const auto status = validate(options);
    ASSERT_FALSE(status) << pair.most_name;
    EXPECT_THAT(status.error().message, AllOf(HasSubstr(pair.most_name), HasSubstr(pair.first_name)));
  }
}

TEST(Settings, OfQlogAreRefusedWithoutAFolder) {
  for (const std::string_view name : {"qlog_connections", "qlog_file_bytes", "qlog_total_bytes"}) {
    ServerOptions options = valid();
    put(options, *find_setting(name), 1'000);
    if (name != "qlog_connections") {
      put(options, *find_setting(name), 100'000);
    }
    EXPECT_THAT(validate(options).error().message,
                AllOf(HasSubstr(std::string(name)), HasSubstr("expected none without qlog_folder")));
  }
}

TEST(Settings, RefuseAFileOfQlogAboveAllFiles) {
  ServerOptions options = valid();
  options.qlog_folder = "folder";
  options.qlog_total_bytes = 100'000;
  options.qlog_file_bytes = 100'001;
  EXPECT_THAT(validate(options).error().message,
              HasSubstr("qlog_file_bytes is 100001, expected at most qlog_total_bytes (100000)"));
  options.qlog_file_bytes = 100'000;
  EXPECT_TRUE(validate(options));
}

}  // namespace
}  // namespace knul::server
