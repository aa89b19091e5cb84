#include "core/kernel_call.h"
#include "kernels/rope.cuh"
#include "ops/context.h"
#include "ops/rope.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// y_THE may be x_THE; both have contiguous heads.
void turn(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE, int direction,
          const at::Tensor& y_THE) {
  const kernels::RopeShape shape{x_THE.size(0),
                                 static_cast<int>(x_THE.size(1)),
                                 static_cast<int>(x_THE.size(2)),
                                 x_THE.stride(0),
                                 x_THE.stride(1),
                                 y_THE.stride(0),
                                 y_THE.stride(1)};
  by_kernel_type(x_THE, [&](auto type) {
    using T = decltype(type);
    const auto run = [&](auto table) {
      using Table = decltype(table);
      launched(kernels::rope(kernel_data<T>(x_THE), kernel_data<Table>(cos_TE), kernel_data<Table>(sin_TE),
                             kernel_data<T>(y_THE), shape, direction, kernel_stream(x_THE)),
               "rope");
    };
    if constexpr (std::is_same_v<T, float>) {
      check(cos_TE.scalar_type() == at::kFloat, "rope", "float32 heads take float32 tables", "E_DTYPE");
      run(float{});
    } else {
      by_kernel_type(cos_TE, run);
    }
  });
}

at::Tensor turned(const at::Tensor& x_in, const at::Tensor& cos, const at::Tensor& sin, int direction) {
  const auto x = x_in.stride(2) == 1 ? x_in : x_in.contiguous();
  const auto y = at::empty(x.sizes(), x.options());
  turn(x, cos, sin, direction, y);
  return y;
}

class RopeDevice : public torch::autograd::Function<RopeDevice> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return turned(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    return {turned(grads[0], saved[0], saved[1], -1), at::Tensor(), at::Tensor()};
  }
};

// The first heads of a projection's columns [T, heads * E], in place.
class TurnHeads : public torch::autograd::Function<TurnHeads> {
 public:
  static at::Tensor forward(AutogradContext* ctx, at::Tensor x_TI, const at::Tensor& cos, const at::Tensor& sin,
                            int64_t num_rotated) {
    ctx->save_for_backward({cos, sin});
    hold(ctx, num_rotated);
    ctx->mark_dirty({x_TI});
    const auto heads = first_heads(x_TI, cos, num_rotated);
    turn(heads, cos, sin, 1, heads);
    return x_TI;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &cos = saved[0], &sin = saved[1];
    const int64_t num_rotated = held<int64_t>(ctx), columns = num_rotated * cos.size(1);
    const auto grad = grads[0].contiguous(), out = at::empty_like(grad);
    turn(first_heads(grad, cos, num_rotated), cos, sin, -1, first_heads(out, cos, num_rotated));
    out.slice(1, columns).copy_(grad.slice(1, columns));
    return {out, at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  static at::Tensor first_heads(const at::Tensor& x_TI, const at::Tensor& cos, int64_t count) {
    return x_TI.view({x_TI.size(0), -1, cos.size(1)}).narrow(1, 0, count);
  }
};

}  // namespace

at::Tensor rope_device(const at::Tensor& x_THE, const at::Tensor& cos_TE, const at::Tensor& sin_TE) {
  return RopeDevice::apply(x_THE, cos_TE, sin_TE);
}

at::Tensor turn_heads_device_(const at::Tensor& x_TI, const at::Tensor& cos_TE, const at::Tensor& sin_TE,
                              int64_t num_rotated) {
  return TurnHeads::apply(x_TI, cos_TE, sin_TE, num_rotated);
}

namespace {

// positions [axes, rows].
RopeTables launch_rope_tables(const at::Tensor& positions, int64_t rows, const at::Tensor& frequencies,
                              const std::array<int, 2>& axis_end, at::ScalarType dtype) {
  const int64_t half = frequencies.size(0);
  const auto cos = at::empty({rows, 2 * half}, frequencies.options().dtype(dtype)), sin = at::empty_like(cos);
  const kernels::RopeAngles raw{kernel_data<float>(frequencies), {axis_end[0], axis_end[1]}};
  by_kernel_type(cos, [&](auto table) {
    using Table = decltype(table);
    launched(kernels::rope_tables(kernel_data<int32_t>(positions), raw, kernel_data<Table>(cos),
                                  kernel_data<Table>(sin), rows, static_cast<int>(2 * half), kernel_stream(cos)),
             "rope_tables");
  });
  return {cos, sin};
}

}  // namespace

RopeTables rope_tables_device(const RopeAngles& angles, at::ScalarType dtype) {
  const auto rows = static_cast<int64_t>(angles.positions.size()) / angles.num_axes;
  return launch_rope_tables(to_device(angles.positions), rows, to_device(angles.frequencies), angles.axis_end, dtype);
}

RopeTables rope_tables_device(const at::Tensor& positions_T, const at::Tensor& frequencies_F, at::ScalarType dtype) {
  const int half = static_cast<int>(frequencies_F.size(0));
  return launch_rope_tables(positions_T, positions_T.size(0), frequencies_F, {half, half}, dtype);
}

}  // namespace papo
