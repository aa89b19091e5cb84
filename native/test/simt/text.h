// Words for error texts.
#pragma once

#include <cstdio>
#include <string>

#include "test/simt/engine.h"

namespace simt {

inline std::string text_of(uint3 v) {
  return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}
inline std::string text_of(Where where) {
  const std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}
inline std::string hex(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08X", mask);
  return text;
}
inline const char* name_of(Op op) {
  switch (op) {
    case Op::kBarrier:
      return "__syncthreads";
    case Op::kSyncWarp:
      return "__syncwarp";
    case Op::kShuffle:
      return "a shuffle";
    case Op::kBallot:
      return "a vote";
    default:
      return "nothing";
  }
}

inline bool same(Where a, Where b) { return a.line() == b.line() && a.column() == b.column(); }

}  // namespace simt
