// The statistics as one flat JSON object: first the seven contract fields, then the whole list.
#pragma once

#include <string>

namespace knul::stats {

struct ServerSnapshot;

// Appends to `out`. Thread: any.
void render_json(const ServerSnapshot& server, std::string& out);

}  // namespace knul::stats
