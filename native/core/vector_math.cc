#include "core/vector_math.h"

#include "core/torch_compat.h"

namespace papo {

void settle_vector_math() {
  at::NoGradGuard no_grad;
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const auto x = at::ones({1}, at::TensorOptions(dtype));
    for (const auto function : {at::exp, at::log, at::sqrt, at::rsqrt, at::sin, at::cos, at::tanh}) function(x);
    at::pow(x, 2.5);
  }
}

}  // namespace papo
