#include "rollout/memory.h"

#include <fstream>
#include <limits>
#include <string>

namespace papo {

int64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  int64_t kibibytes = 0;
  while (file >> name >> kibibytes && std::getline(file, unit))
    if (name == "MemAvailable:") return kibibytes * 1024 / 10 * 9;
  return std::numeric_limits<int64_t>::max();
}

}  // namespace papo
