// The one exception type of the native code and its codes; lib/native turns it into NativeError.
#pragma once

#include <stdexcept>
#include <string>

namespace papo {

class Error : public std::runtime_error {
 public:
  Error(std::string code, std::string op, const std::string& text)
      : std::runtime_error("[" + op + "] " + text), code(std::move(code)), op(std::move(op)) {}
  const std::string
      code;  // E_SHAPE E_DTYPE E_VALUE E_HANDLE E_DISPOSED E_OOM E_CUDA E_TORCH E_IO E_ABORTED E_NONFINITE
  const std::string op;
};

inline void check(bool ok, const char* op, const std::string& text, const char* code = "E_SHAPE") {
  if (!ok) throw Error(code, op, text);
}

}  // namespace papo
