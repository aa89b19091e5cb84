// papo's own float32 matrix product, for processors on which libtorch's is far from what they can do.
#pragma once

#include "core/torch_compat.h"

namespace papo {

// out_MN = a_MK b_KN, or out_MN += with `add`, in float32 on all threads. Rows of out are contiguous; a and b may have
// any strides, of which one should be 1. Each element is summed over K in one order, whatever the number of threads.
void matmul_cpu(const at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add);

}  // namespace papo
