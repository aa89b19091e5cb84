#include "ops/embedding.h"

#include "ops/context.h"

namespace papo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class Embedding : public torch::autograd::Function<Embedding> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& ids, const at::Tensor& table_value,
                            const Param& table) {
    ctx->save_for_backward({ids});
    hold(ctx, table.grad);
    return table.value.detach().index_select(0, ids);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto& table_grad = held<at::Tensor>(ctx);
    table_grad.index_add_(0, ctx->get_saved_variables()[0], grads[0].to(table_grad.scalar_type()));
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& ids_N, const Param& table) {
  if (!at::GradMode::is_enabled() || !table.trained()) return table.value.index_select(0, ids_N).detach();
  return Embedding::apply(ids_N, table.value, table);
}

}  // namespace papo
