// Every matrix product of training and scoring goes through here: polled, counted, and by the library that is
// fastest for the dtype on this kind of processor.
#pragma once

#include "core/torch_compat.h"

namespace papo {

// out_MN = a_MK b_KN, or out_MN += with `add`. Each may be a view with strided rows or transposed. `bias_N` is added to
// every row (not with `add`).
void product_into(const at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add = false,
                  const at::Tensor& bias_N = {});
at::Tensor product(const at::Tensor& a_MK, const at::Tensor& b_KN, const at::Tensor& bias_N = {});

enum class ProductLibrary {
  kBlas,     // at::mm: MKL on x86-64
  kPapo,     // matmul_cpu: faster than MKL on AMD processors, where MKL keeps to AVX2
  kWidened,  // bfloat16 by way of float32, on processors without bfloat16 instructions
};

// product_into by one library, for tests; neither polled nor counted.
void product_by(ProductLibrary library, const at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                bool add);

// What they use on the CPU, by what the processor is. Never by measured times: results differ in the last digits from
// library to library, and on a busy machine the slower one wins now and then.
ProductLibrary float_product_library();
ProductLibrary bfloat16_product_library();
const char* name_of(ProductLibrary library);

}  // namespace papo
