// The statistics as one flat JSON object: the seven contract fields first, then the whole list.
#pragma once

#include <string>

namespace knul::stats {

struct ServerSnapshot;

// Appends to `out`. Thread: any.
void render_json(const ServerSnapshot& server, std::string& out);

}  // namespace knul::stats
