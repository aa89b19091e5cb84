#pragma once

#include <string>

namespace papo {

// Records work of a kernel and replays it with other numbers in its input; -> the largest difference from what the
// kernel gives then. `misuse` breaks a rule of graphs: moved (the input), reads (a number of the device), copies (to
// the host), more (launches than recorded), fewer; or none.
double replay_graph(const std::string& misuse);

}  // namespace papo
