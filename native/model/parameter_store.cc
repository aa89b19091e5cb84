#include "model/parameter_store.h"

#include "core/error.h"

namespace papo {
namespace {

constexpr int64_t kAlignment = 64;  // elements: at least 128 bytes in every dtype

int64_t count_elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// Policies are made and moved on the device thread alone.
uint64_t new_version() {
  static uint64_t last = 0;
  return ++last;
}

}  // namespace

void ParameterStore::declare(const std::string& name, std::vector<int64_t> shape, bool aligned) {
  if (aligned) size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
  const int64_t numel = count_elements(shape);
  index_[name] = entries_.size();
  entries_.push_back({name, std::move(shape), size_, numel});
  size_ += numel;
}

void ParameterStore::allocate(const at::TensorOptions& options, bool trained, const std::vector<bool>& frozen) {
  size_ = (size_ + kAlignment - 1) / kAlignment * kAlignment;
  // Not zeroed: a page is only touched when its weights are read from the file.
  flat_ = at::empty({size_}, options);
  int64_t end = 0;  // of the tensor before
  for (const auto& entry : entries_) {
    flat_.narrow(0, end, entry.offset - end).zero_();
    end = entry.offset + entry.numel;
  }
  flat_.narrow(0, end, size_ - end).zero_();
  weights_move();
  if (!trained) return;
  // Frozen parts come first, so that what is trained is one range.
  for (size_t part = 0; part < frozen.size(); ++part) {
    if (!frozen[part]) continue;
    check(part == 0 || trained_begin_ == part_ends_[part - 1], "allocate", "frozen parts must come first", "E_VALUE");
    trained_begin_ = part_ends_[part];
  }
  trained_begin_ = (trained_begin_ + kAlignment - 1) / kAlignment * kAlignment;
  const bool wide = flat_.scalar_type() == at::kDouble;
  flat_grad_ = at::zeros({size_ - trained_begin_}, flat_.options().dtype(wide ? at::kDouble : at::kFloat));
}

void ParameterStore::weights_move() {
  versions_.resize(part_ends_.size());
  for (auto& version : versions_) version = new_version();
}

void ParameterStore::trained_weights_move() {
  for (size_t part = 0; part < part_ends_.size(); ++part)
    if (part_ends_[part] > trained_begin_) versions_[part] = new_version();
}

at::Tensor ParameterStore::part_values(size_t part) const {
  const int64_t begin = part == 0 ? 0 : part_ends_[part - 1];
  return flat_.narrow(0, begin, part_ends_[part] - begin);
}

bool ParameterStore::share_version(const ParameterStore& other, size_t part) {
  const auto own = part_values(part), theirs = other.part_values(part);
  if (own.scalar_type() != theirs.scalar_type() || own.device() != theirs.device() || !at::equal(own, theirs))
    return false;
  versions_[part] = other.versions_[part];
  return true;
}

const ParamEntry& ParameterStore::entry(const std::string& name) const {
  const auto found = index_.find(name);
  check(found != index_.end(), "parameter_store", "no tensor " + name, "E_VALUE");
  return entries_[found->second];
}

Param ParameterStore::param(const std::string& name) const { return fused(name, entry(name).shape); }

Param ParameterStore::fused(const std::string& first_name, std::vector<int64_t> shape) const {
  const auto& first = entry(first_name);
  const int64_t numel = count_elements(shape);
  Param param{flat_.narrow(0, first.offset, numel).view(shape).detach(), at::Tensor()};
  if (is_trained(first)) {
    param.value.set_requires_grad(true);
    param.grad = flat_grad_.narrow(0, first.offset - trained_begin_, numel).view(shape);
  }
  return param;
}

}  // namespace papo
