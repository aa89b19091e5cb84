#include "ops/product.h"

#include <chrono>

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

namespace {

// Whether the other library takes less than four fifths of BLAS's time for a product of a layer's sizes. In turn, and
// the least of many: what else runs on the machine must not decide, because results differ in the last digits from
// library to library, and those of one machine are to be the same in every run.
ProductLibrary faster(ProductLibrary other, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  const auto a = at::ones({256, 512}, dtype), b = at::ones({768, 512}, dtype).t(), out = at::empty({256, 768}, dtype);
  std::array<double, 2> best{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (int run = 0; run < 24; ++run) {  // the first ones set the libraries up
    const std::array libraries{ProductLibrary::kBlas, other};
    for (size_t i = 0; i < 2; ++i) {
      const auto start = std::chrono::steady_clock::now();
      product_by(libraries[i], out, a, b, false);
      best[i] = std::min(best[i], std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  return best[1] * 5 < best[0] * 4 ? other : ProductLibrary::kBlas;
}

}  // namespace

ProductLibrary float_product_library() {
  static const ProductLibrary choice = faster(ProductLibrary::kPapo, at::kFloat);
  return choice;
}

ProductLibrary bfloat16_product_library() {
  static const ProductLibrary choice = faster(ProductLibrary::kWidened, at::kBFloat16);
  return choice;
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
