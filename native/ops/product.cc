#include "ops/product.h"

#include "core/cancel.h"
#include "core/flops.h"
#include "ops/matmul_cpu.h"

namespace papo {
namespace {

constexpr int64_t kWidenedElements = int64_t{1} << 22;  // of a weight that exist in float32 at a time

}  // namespace

void product_by(ProductLibrary library, const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, bool add) {
  switch (library) {
    case ProductLibrary::kPapo:
      matmul_cpu(out, a, b, add);
      return;
    case ProductLibrary::kWidened: {
      const auto wide_a = a.to(at::kFloat);
      const int64_t columns = std::max<int64_t>(1, kWidenedElements / b.size(0));
      for (int64_t begin = 0; begin < b.size(1); begin += columns) {
        const int64_t count = std::min(columns, b.size(1) - begin);
        const auto wide = at::empty({a.size(0), count}, at::kFloat);
        product_by(float_product_library(), wide, wide_a, b.narrow(1, begin, count).to(at::kFloat), false);
        const auto part = out.narrow(1, begin, count);
        add ? part.add_(wide) : part.copy_(wide);
      }
      return;
    }
    case ProductLibrary::kBlas:
      if (add)
        at::addmm_out(const_cast<at::Tensor&>(out), out, a, b);
      else
        at::mm_out(const_cast<at::Tensor&>(out), a, b);
  }
}

// MKL keeps to AVX2 on other processors than Intel's; without AVX-512 papo's loops are no faster.
ProductLibrary float_product_library() {
#if defined(__x86_64__) && defined(__AVX512F__)
  if (!__builtin_cpu_is("intel")) return ProductLibrary::kPapo;
#endif
  return ProductLibrary::kBlas;
}

ProductLibrary bfloat16_product_library() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512bf16")) return ProductLibrary::kBlas;
#endif
  return ProductLibrary::kWidened;
}

const char* name_of(ProductLibrary library) {
  return library == ProductLibrary::kPapo ? "papo" : library == ProductLibrary::kWidened ? "float32" : "BLAS";
}

void product_into(const at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add,
                  const at::Tensor& bias_N) {
  poll_cancel();
  count_flops(2.0 * static_cast<double>(a_MK.size(0)) * static_cast<double>(a_MK.size(1)) *
              static_cast<double>(b_KN.size(1)));
  if (bias_N.defined()) out_MN.copy_(bias_N.expand_as(out_MN));
  const bool sum = add || bias_N.defined();
  auto library = ProductLibrary::kBlas;
  if (out_MN.device().is_cpu() && out_MN.numel() > 0 && a_MK.size(1) > 0) {
    if (out_MN.scalar_type() == at::kFloat) library = float_product_library();
    if (out_MN.scalar_type() == at::kBFloat16) library = bfloat16_product_library();
  }
  product_by(library, out_MN, a_MK, b_KN, sum);
}

at::Tensor product(const at::Tensor& a_MK, const at::Tensor& b_KN, const at::Tensor& bias_N) {
  auto out = at::empty({a_MK.size(0), b_KN.size(1)}, a_MK.options());
  product_into(out, a_MK, b_KN, false, bias_N);
  return out;
}

}  // namespace papo
