#include "ops/vocab_rows_cpu.h"

#include "core/error.h"
#include "core/parallel.h"
#include "core/vec.h"

namespace papo {
namespace {

constexpr int64_t kBlock = 2048;  // logits whose largest is found before their exponentials are summed

template <class T>
struct RowState {
  T top, sum, weighted;
  bool bad;
};

// One row's logits, `count` of them, into its state.
template <class T, bool kEntropy>
void add_row(const T* logits, int64_t count, T scale, RowState<T>& state) {
  using V = Vec<T>;
  constexpr int64_t kW = kLanes<T>;
  const V largest = broadcast(std::numeric_limits<T>::max());
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock), whole = begin + (end - begin) / kW * kW;
    V tops = broadcast(state.top);
    typename VecOf<T>::bits fine = ~typename VecOf<T>::bits{};
    for (int64_t i = begin; i < whole; i += kW) {
      const V z = load(logits + i) * scale;
      fine &= z <= largest;
      tops = z > tops ? z : tops;
    }
    T top = state.top;
    for (int64_t lane = 0; lane < kW; ++lane) {
      top = std::max(top, tops[lane]);
      state.bad |= fine[lane] == 0;
    }
    for (int64_t i = whole; i < end; ++i) {
      const T z = logits[i] * scale;
      state.bad |= !(z <= std::numeric_limits<T>::max());
      top = std::max(top, z);
    }
    V sum = {}, weighted = {};
    const auto take = [&](V z) {
      const V below = z - top, e = vexp(below), lowest = broadcast(T(-1e30));
      sum += e;
      if constexpr (kEntropy) weighted += e * (below > lowest ? below : lowest);  // not 0 * inf
    };
    for (int64_t i = begin; i < whole; i += kW) take(load(logits + i) * scale);
    if (whole < end) {
      V rest = broadcast(-std::numeric_limits<T>::infinity());
      for (int64_t i = whole; i < end; ++i) rest[i - whole] = logits[i] * scale;
      take(rest);
    }
    if (state.sum > 0 && top > state.top) {
      const T fall = state.top - top, shrink = std::exp(fall);
      state.weighted = (state.weighted + fall * state.sum) * shrink;
      state.sum *= shrink;
    }
    state.sum += horizontal_sum<T>(sum);
    state.weighted += horizontal_sum<T>(weighted);
    state.top = top;
  }
}

template <class T>
void add_rows(RowSoftmax& s, const at::Tensor& logits, int64_t first, const at::Tensor& targets, double temperature) {
  const int64_t vocab = logits.size(1), ld = logits.stride(0);
  const T* data = logits.data_ptr<T>();
  T *top = s.top_N.data_ptr<T>(), *sum = s.sum_N.data_ptr<T>(), *target = s.target_N.data_ptr<T>();
  T* weighted = s.weighted_N.defined() ? s.weighted_N.data_ptr<T>() : nullptr;
  bool* bad = s.bad_N.data_ptr<bool>();
  const int64_t* target_id = targets.data_ptr<int64_t>();
  const T scale = static_cast<T>(1 / temperature);
  at::parallel_for(0, logits.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      RowState<T> state{top[row], sum[row], weighted != nullptr ? weighted[row] : T(0), bad[row]};
      const T* from = data + row * ld;
      weighted != nullptr ? add_row<T, true>(from, vocab, scale, state) : add_row<T, false>(from, vocab, scale, state);
      top[row] = state.top;
      sum[row] = state.sum;
      if (weighted != nullptr) weighted[row] = state.weighted;
      bad[row] = state.bad;
      const int64_t place = target_id[row] - first;
      if (place >= 0 && place < vocab) target[row] = from[place] * scale;
    }
  });
}

template <class T>
struct RowGrads {
  T lse, log_prob_grad, entropy, entropy_grad, scale;
};

// -p (g + h (ln p + H)) / temperature; the target's g is added by the caller.
template <class T>
Vec<T> logit_grad(Vec<T> logit, const RowGrads<T>& g) {
  const Vec<T> log_p = logit * g.scale - g.lse, p = vexp(log_p);
  // ln p of a probability of 0 must not turn 0 * inf into nan.
  const Vec<T> low = broadcast(T(-1e30)), held = log_p > low ? log_p : low;
  return p * (-g.scale) * (g.log_prob_grad + g.entropy_grad * (held + g.entropy));
}

template <class T>
void backward_rows(const at::Tensor& logits, int64_t first, const SoftmaxGradInputs& in, double temperature) {
  constexpr int64_t kW = kLanes<T>;
  const int64_t vocab = logits.size(1), ld = logits.stride(0);
  T* data = logits.data_ptr<T>();
  const auto pointer = [](const at::Tensor& t) { return t.defined() ? t.data_ptr<T>() : nullptr; };
  const T *lse = pointer(in.lse_N), *g = pointer(in.log_prob_grad_N), *entropy = pointer(in.entropy_N),
          *h = pointer(in.entropy_grad_N);
  const int64_t* target_id = in.targets_N.data_ptr<int64_t>();
  const T scale = static_cast<T>(1 / temperature);
  at::parallel_for(0, logits.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* at = data + row * ld;
      const RowGrads<T> grads{lse[row], g != nullptr ? g[row] : T(0), h != nullptr ? entropy[row] : T(0),
                              h != nullptr ? h[row] : T(0), scale};
      int64_t i = 0;
      for (; i + kW <= vocab; i += kW) store(at + i, logit_grad<T>(load(at + i), grads));
      if (i < vocab) {
        Vec<T> rest = {};
        std::memcpy(&rest, at + i, (vocab - i) * sizeof(T));
        rest = logit_grad<T>(rest, grads);
        std::memcpy(at + i, &rest, (vocab - i) * sizeof(T));
      }
      const int64_t place = target_id[row] - first;
      if (place >= 0 && place < vocab) at[place] += grads.log_prob_grad * scale;
    }
  });
}

}  // namespace

RowSoftmax::RowSoftmax(int64_t rows, const at::TensorOptions& options, bool with_entropy)
    : top_N(at::full({rows}, std::numeric_limits<float>::lowest(), options)),
      sum_N(at::zeros({rows}, options)),
      weighted_N(with_entropy ? at::zeros({rows}, options) : at::Tensor()),
      target_N(at::zeros({rows}, options)),
      bad_N(at::zeros({rows}, options.dtype(at::kBool))) {}

void RowSoftmax::add(const at::Tensor& logits_NV, int64_t first_token, const at::Tensor& targets_N,
                     double temperature) {
  const auto run = logits_NV.scalar_type() == at::kDouble ? add_rows<double> : add_rows<float>;
  run(*this, logits_NV, first_token, targets_N, temperature);
}

at::Tensor RowSoftmax::lse() const { return top_N + sum_N.log(); }
at::Tensor RowSoftmax::log_probs() const { return target_N - lse(); }
at::Tensor RowSoftmax::entropy() const { return sum_N.log() - weighted_N / sum_N; }

void RowSoftmax::check_finite(int64_t first_row) const {
  const auto fine = bad_N.logical_not().logical_and_(lse().isfinite());
  if (fine.all().item<bool>()) return;
  const int64_t row = first_row + fine.logical_not().nonzero()[0].item<int64_t>();
  throw Error("E_NONFINITE", "token_log_probs", "logits of row " + std::to_string(row) + " are not finite");
}

void softmax_backward_(const at::Tensor& logits_NV, int64_t first_token, const SoftmaxGradInputs& inputs,
                       double temperature) {
  const auto run = logits_NV.scalar_type() == at::kDouble ? backward_rows<double> : backward_rows<float>;
  run(logits_NV, first_token, inputs, temperature);
}

}  // namespace papo
