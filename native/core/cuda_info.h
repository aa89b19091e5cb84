#pragma once

#include <optional>
#include <string>

namespace papo {

// What this build and this machine have of CUDA.
struct CudaInfo {
  int built;            // version of the toolkit that compiled papo: 13000 for 13.0
  int driver;           // newest version that the driver takes; 0 without a driver
  int num_devices;      // that can be used
  std::string device;   // name of the first of them
  std::string problem;  // why there is none; empty where there is
};

// nullopt in a build without CUDA.
std::optional<CudaInfo> cuda_info();

}  // namespace papo
