#include "service/service.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "service/echo_service.hpp"
#include "service/file_root.hpp"
#include "service/hq_service.hpp"
#include "service/perf_service.hpp"

namespace knul::service {
namespace {

struct Entry {
  std::string_view name;
  std::string_view alpn;
};
constexpr std::array<Entry, 3> kServices{{{"echo", "knul"}, {"hq", "hq-interop"}, {"perf", "perf"}}};

krepis::Error invalid(std::string message) {
  return {krepis::ErrorCode::kInvalidRequest, std::move(message)};
}

krepis::Result<krepis::ApplicationFactory> hq_factory(const std::string& root) {
  if (root.empty()) {
    return invalid("service_root is empty, expected the folder that the service \"hq\" serves");
  }
  auto opened = FileRoot::open(root);
  if (!opened) {
    return std::move(opened).error();
  }
  auto shared = std::make_shared<const FileRoot>(*std::move(opened));
  return krepis::ApplicationFactory([shared](unsigned) -> std::unique_ptr<krepis::Application> {
    return std::make_unique<HqService>(shared);
  });
}

template <class Service>
krepis::ApplicationFactory plain_factory() {
  return [](unsigned) -> std::unique_ptr<krepis::Application> { return std::make_unique<Service>(); };
}

}  // namespace

std::vector<std::string_view> service_names() {
  std::vector<std::string_view> names(kServices.size());
  std::ranges::transform(kServices, names.begin(), &Entry::name);
  return names;
}

std::string_view default_alpn(std::string_view name) {
  const auto* const found = std::ranges::find(kServices, name, &Entry::name);
  return found == kServices.end() ? std::string_view{} : found->alpn;
}

krepis::Result<krepis::ApplicationFactory> service_factory(std::string_view name, const std::string& root) {
  if (name == "hq") {
    return hq_factory(root);
  }
  if (default_alpn(name).empty()) {
    return invalid("service is \"" + std::string(name) + "\", expected \"echo\", \"hq\" or \"perf\"");
  }
  if (!root.empty()) {
    return invalid("service_root is given for the service \"" + std::string(name) +
                   "\", expected it only for \"hq\"");
  }
  return name == "echo" ? plain_factory<EchoService>() : plain_factory<PerfService>();
}

}  // namespace knul::service
