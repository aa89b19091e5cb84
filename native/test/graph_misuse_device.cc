#include "test/graph_misuse.h"

#include "core/device_graph.h"
#include "ops/rope.h"

namespace papo {

double replay_graph(const std::string& misuse) {
  const auto frequencies = to_device(std::vector<float>{1.0f, 0.5f, 0.25f, 0.125f});
  auto positions = to_device(std::vector<int32_t>{1, 2, 3});
  const auto tables = [&] { return rope_tables_device(positions, frequencies, at::kFloat).cos_TE; };
  const auto out = at::empty({3, 8}, frequencies.options());
  int64_t launches = 2;
  const GraphMemory memory;
  DeviceGraph graph(
      [&] {
        for (int64_t i = 0; i < launches; ++i) out.copy_(tables());
        if (misuse == "reads") out.add_(positions.max().item<int>());
        if (misuse == "copies") out.add_(to_host(positions).sum());
      },
      memory);
  const auto others = at::tensor(std::vector<int32_t>{70, 5, 0}, at::kInt);
  if (misuse == "moved") positions = positions.clone();
  if (misuse == "more") ++launches;
  if (misuse == "fewer") --launches;
  copy_to_device_(positions, others);
  graph.replay();
  return (out - tables()).abs().max().item<double>();
}

}  // namespace papo
