// All weights of a model as views into one contiguous buffer, gradients likewise, registered under the hub's names.
// Neighbouring tensors can be used as one (q, k and v; gate and up), so that a fused product needs no copy. The
// optimizer, checkpoints and sharding work on the long buffers and need no model code.
#pragma once

#include <unordered_map>

#include "ops/param.h"

namespace papo {

struct ParamEntry {
  std::string name;  // hub name
  std::vector<int64_t> shape;
  int64_t offset;  // elements from the beginning of the buffer
  int64_t numel;
};

class ParameterStore {
 public:
  // Declares the next tensor; `aligned` false: right behind the one before, to be used as one with it.
  void declare(const std::string& name, std::vector<int64_t> shape, bool aligned = true);
  // Ends a part (vision, language) at the tensors declared so far; parts are trained or frozen as a whole.
  void end_part() { part_ends_.push_back(size_); }
  // Allocates the buffers: weights undefined, the padding between them zero; float32 (float64 for float64 weights)
  // gradients when `trained`. Parts in `frozen` get no gradient.
  void allocate(const at::TensorOptions& options, bool trained, const std::vector<bool>& frozen);

  // One declared tensor, or `count` neighbouring ones as rows of one tensor of `shape`.
  Param param(const std::string& first_name) const;
  Param fused(const std::string& first_name, std::vector<int64_t> shape) const;

  const std::vector<ParamEntry>& entries() const { return entries_; }
  const ParamEntry& entry(const std::string& name) const;
  at::Tensor values(const ParamEntry& entry) const {
    return flat_.narrow(0, entry.offset, entry.numel).view(entry.shape);
  }
  at::Tensor grads(const ParamEntry& entry) const {
    return flat_grad_.narrow(0, entry.offset - trained_begin_, entry.numel).view(entry.shape);
  }
  bool is_trained(const ParamEntry& entry) const { return flat_grad_.defined() && entry.offset >= trained_begin_; }

  // A number for what a part's weights are, of all stores: where it is the same, the weights are.
  uint64_t version(size_t part) const { return versions_[part]; }
  // To be called before weights are written: all of them, or what is trained.
  void weights_move();
  void trained_weights_move();
  // Takes over the number of another store's part that holds the same weights; whether it does.
  bool share_version(const ParameterStore& other, size_t part);

  const at::Tensor& flat() const { return flat_; }
  // The trained range of flat() and its gradient, same length.
  at::Tensor trained_values() const { return flat_.narrow(0, trained_begin_, flat_.numel() - trained_begin_); }
  const at::Tensor& flat_grad() const { return flat_grad_; }
  void zero_grad() {
    if (flat_grad_.defined()) flat_grad_.zero_();
  }

 private:
  std::vector<ParamEntry> entries_;
  std::unordered_map<std::string, size_t> index_;
  at::Tensor part_values(size_t part) const;

  std::vector<int64_t> part_ends_;
  std::vector<uint64_t> versions_;  // of each part
  int64_t size_ = 0;
  int64_t trained_begin_ = 0;
  at::Tensor flat_, flat_grad_;
};

}  // namespace papo
