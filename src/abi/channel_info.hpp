// The reports of the C ABI about channels, their connections and their streams, as JSON.
#pragma once

#include <string>

#include "channel/channel.hpp"

namespace knul::abi {

// Append to `out`.
void write_json(const channel::Figures& figures, std::string& out);
void write_json(const channel::StreamFacts& facts, std::string& out);
void write_json(const channel::ConnectionFacts& facts, std::string& out);

}  // namespace knul::abi
