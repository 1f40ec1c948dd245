#include "admin/admin_answer.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "admin/page.hpp"
#include "base/socket_address.hpp"

namespace knul::admin {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kConnections = "/connections";
constexpr std::size_t kShownHostBytes = 80;

std::string_view path_of(const AdminRequest& request) {
  return request.target.substr(0, request.target.find('?'));
}

AdminAnswer text(unsigned status, std::string body) {
  AdminAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

AdminAnswer metrics(AdminSource& source, std::string_view accept) {
  const bool is_open = accept.find("application/openmetrics-text") != std::string_view::npos;
  AdminAnswer answer;
  answer.content_type = is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
  source.append_metrics(is_open ? MetricsFormat::kOpenMetrics : MetricsFormat::kPrometheus, answer.body);
  return answer;
}

// Without the port and without brackets.
std::string_view name_in(std::string_view host) {
  if (host.starts_with('[')) {
    return host.substr(1, host.find(']') - 1);
  }
  return host.substr(0, host.rfind(':'));
}

bool is_address(std::string_view host) {
  return host.empty() || base::SocketAddress::parse(name_in(host), 0).has_value();  // or "localhost"
}

// "Host is evil.example, expected ...". Bytes outside of printable ASCII become '?'.
AdminAnswer misdirected(std::string_view host) {
  std::string shown(host.substr(0, kShownHostBytes));
  std::ranges::replace_if(
      shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text(421, "Host is \"" + shown + "\", expected an address such as 127.0.0.1, or localhost\n");
}

AdminAnswer connections(AdminSource& source, std::string_view url_query) {
  const std::string query = to_json_query(url_query);
  const nlohmann::json asked = nlohmann::json::parse(query);
  if (const auto limit = asked.find("limit");
      limit != asked.end() && limit->is_number() && limit->get<std::uint64_t>() > kMostRows) {
    return text(400, "limit is " + limit->dump() + ", expected at most " + std::to_string(kMostRows) + "\n");
  }
  AdminAnswer answer;
  answer.content_type = kJson;
  if (const base::Status status = source.append_connections(query, answer.body); !status) {
    return text(400, status.error().message + "\n");
  }
  return answer;
}

AdminAnswer stats(AdminSource& source) {
  AdminAnswer answer;
  answer.content_type = kJson;
  source.append_stats(answer.body);
  return answer;
}

AdminAnswer page() {
  AdminAnswer answer;
  answer.content_type = "text/html; charset=utf-8";
  answer.body = page_html();
  return answer;
}

// RFC 3986 §2.1, and '+' for a space. Invalid escapes stay.
std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && text.size() - i > 2) {
      const auto read = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
      if (read.ec == std::errc{} && read.ptr == text.data() + i + 3) {
        result += static_cast<char>(byte);
        i += 2;
        continue;
      }
    }
    result += text[i] == '+' ? ' ' : text[i];
  }
  return result;
}

nlohmann::json value_of(std::string_view key, const std::string& value) {
  if (key == "descending" && (value == "true" || value == "false")) {
    return value == "true";
  }
  std::uint64_t number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = read.ec == std::errc{} && read.ptr == value.data() + value.size() && !value.empty();
  return key == "limit" && is_number ? nlohmann::json(number) : nlohmann::json(value);
}

}  // namespace

std::string to_json_query(std::string_view url_query) {
  nlohmann::json query = nlohmann::json::object();
  while (!url_query.empty()) {
    const std::string_view part = url_query.substr(0, url_query.find('&'));
    url_query.remove_prefix(std::min(url_query.size(), part.size() + 1));
    const std::size_t equals = std::min(part.find('='), part.size());
    if (equals > 0) {
      const std::string key = decoded(part.substr(0, equals));
      query[key] = value_of(key, decoded(part.substr(std::min(equals + 1, part.size()))));
    }
  }
  return query.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

bool asks_workers(const AdminRequest& request) {
  return path_of(request) == kConnections && is_address(request.host);
}

AdminAnswer answer(AdminSource& source, const AdminRequest& request, MayAskWorkers workers) {
  if (request.method != "GET" && request.method != "HEAD") {
    return text(405, "only GET and HEAD: nothing can be changed here\n");
  }
  const std::string_view path = path_of(request);
  if (path == "/metrics") {
    return metrics(source, request.accept);
  }
  if (path == "/healthz") {
    return text(200, "ok\n");
  }
  if (path == "/readyz") {
    return source.is_ready() ? text(200, "ready\n") : text(503, "draining\n");
  }
  if (!is_address(request.host)) {
    return misdirected(request.host);
  }
  if (path == "/") {
    return page();
  }
  if (path == "/stats") {
    return stats(source);
  }
  if (path == kConnections && workers == MayAskWorkers::kNo) {
    return text(429, "too many requests for /connections, expected at most ten a second\n");
  }
  if (path == kConnections) {
    return connections(source, request.target.substr(std::min(path.size() + 1, request.target.size())));
  }
  return text(404, "not found; there are /, /metrics, /stats, /connections, /healthz and /readyz\n");
}

}  // namespace knul::admin
