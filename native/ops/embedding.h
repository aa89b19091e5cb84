#pragma once

#include "ops/param.h"

namespace papo {

// Rows ids_N (int64) of table [V, D] -> [N, D]. The gradient is added to the table's grad row by row: no dense [V, D]
// temporary.
at::Tensor embedding(const at::Tensor& ids_N, const Param& table);

}  // namespace papo
