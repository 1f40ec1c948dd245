#include "server/certificate_store.hpp"

#include <algorithm>
#include <ctime>
#include <set>
#include <utility>

#include "base/utc_text.hpp"
#include "server/certificate_watcher.hpp"
#include "server/secrets.hpp"

namespace knul::server {
namespace {

using base::Error;
using base::ErrorKind;
using base::LogKind;
using base::LogLevel;
using quic::CertificatePair;
using quic::TlsServerContext;

constexpr std::size_t kShownBytes = 1'000;

std::span<const std::uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

CredentialSource source(const char* path_setting, const std::string& path, const char* text_setting,
                        const std::string& text) {
  return path.empty() ? CredentialSource{text_setting, {}, {}, text} : file_source(path_setting, path);
}

std::vector<PairSource> sources_of(const krepis::ServerOptions& options) {
  std::vector<PairSource> sources;
  sources.push_back({source("cert_path", options.cert_path, "cert_pem", options.cert_pem),
                     source("key_path", options.key_path, "key_pem", options.key_pem)});
  for (std::size_t i = 0; i < options.sni_cert_paths.size(); ++i) {
    sources.push_back({file_source("sni_cert_paths", options.sni_cert_paths[i]),
                       file_source("sni_key_paths", options.sni_key_paths[i])});
  }
  return sources;
}

quic::ClientAuth client_auth_of(const std::string& name) {
  if (name == "required") {
    return quic::ClientAuth::kRequired;
  }
  return name == "optional" ? quic::ClientAuth::kOptional : quic::ClientAuth::kNone;
}

// True if every name of `old` is also in `fresh`.
bool keeps_names(const TlsServerContext& old,
                 const std::vector<std::shared_ptr<const CertificatePair>>& fresh) {
  std::set<std::string> names;
  for (const auto& pair : fresh) {
    names.insert(pair->facts().names.begin(), pair->facts().names.end());
  }
  return std::ranges::all_of(old.pairs(), [&](const auto& pair) {
    return std::ranges::all_of(pair->facts().names,
                               [&](const std::string& name) { return names.contains(name); });
  });
}

// Adds a text to a list of at most kShownBytes.
void append(std::string& list, const std::string& text) {
  constexpr std::string_view kMore = ", …";
  if (list.ends_with(kMore)) {
    return;
  }
  const bool fits = list.size() + text.size() + 2 <= kShownBytes;
  list += fits ? (list.empty() ? "" : ", ") + text : std::string(kMore);
}

}  // namespace

base::Result<std::unique_ptr<CertificateStore>> CertificateStore::load(const krepis::ServerOptions& options,
                                                                       base::KeyLog* key_log,
                                                                       base::LogSink& log) {
  std::unique_ptr<CertificateStore> store(new CertificateStore(options, key_log, log));
  if (options.watch_certificates) {
    store->first_states_ = states_of(*store);
  }
  auto context = store->read(nullptr);
  if (!context) {
    return std::move(context).error();
  }
  store->publish(*std::move(context));
  store->warn_of_expiry();
  return store;
}

CertificateStore::CertificateStore(const krepis::ServerOptions& options, base::KeyLog* key_log,
                                   base::LogSink& log)
    : log_(log),
      key_log_(key_log),
      alpn_(options.alpn),
      client_auth_(client_auth_of(options.client_auth)),
      authorities_(client_auth_ == quic::ClientAuth::kNone ? CredentialSource{}
                                                           : source("client_ca_path", options.client_ca_path,
                                                                    "client_ca_pem", options.client_ca_pem)),
      sources_(sources_of(options)) {}

CertificateStore::~CertificateStore() {
  for (PairSource& pair : sources_) {
    wipe(pair.key.text);
  }
}

base::Result<std::shared_ptr<const TlsServerContext>> CertificateStore::read(
    const TlsServerContext* present) {
  quic::TlsServerOptions options;
  options.alpn = alpn_;
  options.client_auth = client_auth_;
  base::Status status = read_pairs(present, options);
  if (status) {
    status = read_authorities(present, options);
  }
  if (!status) {
    return std::move(status).error();
  }
  // A resumed session has no certificate: its ticket stands for the earlier one. When a name has gone, old
  // tickets must not speak for it any longer.
  if (present != nullptr && keeps_names(*present, options.pairs)) {
    options.ticket_key = present->ticket_key();
  }
  options.key_log = key_log_;
  auto made = TlsServerContext::create(std::move(options));
  if (!made) {
    return std::move(made).error();
  }
  return std::shared_ptr<const TlsServerContext>(*std::move(made));
}

// A pair of texts cannot change: its first loading counts.
base::Status CertificateStore::read_pairs(const TlsServerContext* present, quic::TlsServerOptions& options) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    PairSource& from = sources_[i];
    const bool is_text = !from.certificate.is_file() && !from.key.is_file();
    if (is_text && present != nullptr) {
      options.pairs.push_back(present->pairs()[i]);
      continue;
    }
    auto pair = read_pair(from, quic::CertificateUse::kServer, std::time(nullptr));
    if (!pair) {
      return std::move(pair).error();
    }
    if (i > 0 && (*pair)->facts().names.empty()) {
      return Error{
          ErrorKind::kCredentials,
          from.certificate.shown() + ": the certificate has no DNS name that a client could ask for"};
    }
    if (is_text) {
      wipe(from.key.text);
    }
    options.pairs.push_back(*std::move(pair));
  }
  return {};
}

base::Status CertificateStore::read_authorities(const TlsServerContext* present,
                                                quic::TlsServerOptions& options) const {
  if (client_auth_ == quic::ClientAuth::kNone) {
    return {};
  }
  if (present != nullptr && !authorities_.is_file()) {
    options.authorities = present->authorities();
    return {};
  }
  const auto text = read_source(authorities_);
  if (!text) {
    return text.error();
  }
  auto loaded = quic::ClientAuthorities::load(bytes(*text), authorities_.shown());
  if (!loaded) {
    return std::move(loaded).error();
  }
  options.authorities = *std::move(loaded);
  return {};
}

bool CertificateStore::has_file() const {
  return authorities_.is_file() || std::ranges::any_of(sources_, [](const PairSource& pair) {
           return pair.certificate.is_file() || pair.key.is_file();
         });
}

void CertificateStore::publish(std::shared_ptr<const TlsServerContext> context) {
  auto fresh = std::make_shared<Loaded>();
  const quic::CertificateFacts& first = context->pairs().front()->facts();
  fresh->not_before = first.not_before;
  fresh->not_after = first.not_after;
  for (const auto& pair : context->pairs()) {
    const quic::CertificateFacts& facts = pair->facts();
    fresh->not_before = std::max(fresh->not_before, facts.not_before);
    fresh->not_after = std::min(fresh->not_after, facts.not_after);
    append(fresh->serials, facts.serial);
    std::ranges::for_each(facts.names, [&](const std::string& name) { append(fresh->names, name); });
  }
  fresh->context = std::move(context);
  const std::lock_guard lock(mutex_);
  fresh->generation = loaded_ == nullptr ? 1 : loaded_->generation + 1;
  newest_.store(fresh->context.get(), std::memory_order_release);
  loaded_ = std::move(fresh);
}

base::Status CertificateStore::reload(ReportFailure report) {
  if (!has_file()) {
    return Error{
        ErrorKind::kWrongState,
        "reload: all certificates and keys were given as texts, expected a file that can have changed"};
  }
  {
    const std::lock_guard lock(reading_);
    auto fresh = read(context().get());
    if (!fresh) {
      if (report == ReportFailure::kYes) {
        reloads_failed_.fetch_add(1, std::memory_order_relaxed);
        log_.write(LogLevel::kError, LogKind::kReload, [&] {
          return "certificates not reloaded, the present ones stay in use: " + fresh.error().message;
        });
      }
      return std::move(fresh).error();
    }
    publish(*std::move(fresh));
    reloads_.fetch_add(1, std::memory_order_relaxed);
  }
  log_.write(LogLevel::kInfo, LogKind::kReload, [&] {
    const auto now = loaded();
    return "certificates reloaded: generation " + std::to_string(now->generation) + ", serial " +
           now->serials + ", names " + now->names;
  });
  warn_of_expiry();
  return {};
}

std::shared_ptr<const CertificateStore::Loaded> CertificateStore::loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

std::shared_ptr<const TlsServerContext> CertificateStore::context() const { return loaded()->context; }

void CertificateStore::refresh(std::shared_ptr<const TlsServerContext>& tls) {
  // `tls` is alive, so that an equal address is the same context.
  if (newest_.load(std::memory_order_acquire) != tls.get()) {
    tls = context();
  }
}

std::shared_ptr<const void> CertificateStore::fill(stats::ServerSnapshot& snapshot) const {
  const std::shared_ptr<const Loaded> now = loaded();
  const std::int64_t left = now->not_after - std::time(nullptr);
  const std::uint64_t handshakes = now->context->handshakes();
  const std::uint64_t total = snapshot.totals.handshakes_completed;
  snapshot.certificate_generation = now->generation;
  snapshot.certificate_not_before = static_cast<std::uint64_t>(std::max<std::int64_t>(now->not_before, 0));
  snapshot.certificate_not_after = static_cast<std::uint64_t>(std::max<std::int64_t>(now->not_after, 0));
  snapshot.certificate_days_left =
      static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0) / base::kSecondsPerDay);
  snapshot.certificate_expired = left < 0 ? 1 : 0;
  snapshot.certificate_reloads = reloads_.load(std::memory_order_relaxed);
  snapshot.certificate_reloads_failed = reloads_failed_.load(std::memory_order_relaxed);
  if (const auto& authorities = now->context->authorities()) {
    snapshot.client_authorities = authorities->count();
    snapshot.client_authorities_not_after =
        static_cast<std::uint64_t>(std::max<std::int64_t>(authorities->facts().not_after, 0));
  }
  snapshot.certificate_handshakes = handshakes;
  snapshot.certificate_handshakes_earlier = total > handshakes ? total - handshakes : 0;
  snapshot.certificate_serial = now->serials;
  snapshot.certificate_names = now->names;
  return now;
}

void CertificateStore::warn_of_expiry() {
  const std::lock_guard lock(warning_);
  const std::shared_ptr<const TlsServerContext> present = context();
  const auto warn = [&](const CredentialSource& from, const quic::CertificateFacts& facts,
                        const char* result) {
    if (const auto text = warnings_.take_due(from.shown(), facts, std::time(nullptr), result)) {
      log_.write(LogLevel::kWarning, LogKind::kCertificate, [&] { return *text; });
    }
  };
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    warn(sources_[i].certificate, present->pairs()[i]->facts(), "clients will refuse it");
  }
  if (present->authorities() != nullptr) {
    warn(authorities_, present->authorities()->facts(), "the server refuses the certificates that it issued");
  }
}

}  // namespace knul::server
