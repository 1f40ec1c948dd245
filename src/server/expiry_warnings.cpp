#include "server/expiry_warnings.hpp"

#include <array>
#include <limits>

#include "base/utc_text.hpp"

namespace knul::server {
namespace {

constexpr std::array kThresholds = {1, 7, 14};  // days
constexpr int kExpired = -1;
constexpr int kNone = std::numeric_limits<int>::max();

// The smallest threshold that has been reached.
int reached(const quic::CertificateFacts& facts, std::int64_t now) {
  if (facts.has_expired(now)) {
    return kExpired;
  }
  for (const int days : kThresholds) {
    const std::int64_t threshold = days * base::kSecondsPerDay;
    if (facts.not_after - now <= threshold && 2 * threshold <= facts.not_after - facts.not_before) {
      return days;
    }
  }
  return kNone;
}

}  // namespace

std::optional<std::string> ExpiryWarnings::take_due(const std::string& source,
                                                    const quic::CertificateFacts& facts, std::int64_t now,
                                                    std::string_view result) {
  Warned& warned = warned_[source];
  if (warned.serial != facts.serial || warned.not_after != facts.not_after) {
    warned = {facts.serial, facts.not_after, kNone};
  }
  const int threshold = reached(facts, now);
  if (threshold >= warned.threshold) {
    return std::nullopt;
  }
  warned.threshold = threshold;
  const std::string end = base::utc_text(facts.not_after);
  if (threshold == kExpired) {
    return source + ": the certificate has expired at " + end + ": " + std::string(result);
  }
  const std::int64_t days = (facts.not_after - now) / base::kSecondsPerDay;
  const std::string left =
      days == 0 ? "less than a day" : std::to_string(days) + (days == 1 ? " day" : " days");
  return source + ": the certificate expires in " + left + ", at " + end;
}

}  // namespace knul::server
