#include "cli/sample_reader.hpp"

#include <memory>
#include <utility>

#include "cli/statistic_text.hpp"

namespace knul::cli {

void SampleReader::read(const TableOrder& order, Done done) {
  const std::string target = list_target(order);
  client_.get("/stats", [this, target, done = std::move(done)](const Outcome<std::string>& body) {
    if (!body) {
      return done(body.error());
    }
    auto statistics = parse_answer(*body, source_);
    if (!statistics) {
      return done(std::move(statistics).error());
    }
    Sample sample;
    sample.statistics = *std::move(statistics);
    read_list(target, std::move(sample), done);
  });
}

void SampleReader::read_list(const std::string& target, Sample sample, const Done& done) {
  const auto shared = std::make_shared<Sample>(std::move(sample));
  client_.get(target, [this, shared, done](const Outcome<std::string>& body) {
    set_list(*shared, body ? parse_answer(*body, source_) : Outcome<nlohmann::ordered_json>(body.error()),
             kMostTableRows);
    done(std::move(*shared));
  });
}

}  // namespace knul::cli
