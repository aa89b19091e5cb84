// Arrays of a block whose every access is checked: bounds, never written, races.
#pragma once

#include "test/simt/engine.h"

namespace simt {

template <class T>
class Shared;

// One element; reading it and writing it are told apart.
template <class T>
class Element {
 public:
  Element(const Array& array, size_t index) : array_(array), index_(index) {}
  Element(const Element&) = default;
  operator T() const {
    note_read(array_, index_);
    return *at();
  }
  const Element& operator=(const T& value) const {
    note_write(array_, index_, false);
    *at() = value;
    return *this;
  }
  const Element& operator=(const Element& other) const { return *this = static_cast<T>(other); }
  const Element& operator+=(const T& value) const { return *this = static_cast<T>(T(*this) + value); }
  const Element& operator-=(const T& value) const { return *this = static_cast<T>(T(*this) - value); }
  const Element& operator*=(const T& value) const { return *this = static_cast<T>(T(*this) * value); }
  const Element& operator/=(const T& value) const { return *this = static_cast<T>(T(*this) / value); }
  const Element& operator|=(const T& value) const { return *this = static_cast<T>(T(*this) | value); }
  const Element& operator&=(const T& value) const { return *this = static_cast<T>(T(*this) & value); }
  const Element& operator++() const { return *this = static_cast<T>(T(*this) + T(1)); }
  Shared<T> operator&() const { return Shared<T>(&array_, static_cast<int64_t>(index_)); }

  // A read and a write in one, which do not race with other atomics.
  template <class Change>
  T update(const Change& change) const {
    if (array_.cells[index_].write_epoch < block->first_epoch) unwritten(array_, index_);
    note_write(array_, index_, true);
    const T before = *at();
    *at() = change(before);
    return before;
  }

 private:
  T* at() const { return reinterpret_cast<T*>(array_.data) + index_; }
  const Array& array_;
  size_t index_;
};

template <class T>
class Shared {
 public:
  Shared(const void* site, const char* name, size_t count)
      : array_(shared_array(site, name, count, sizeof(T))), offset_(0) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 16);
  }
  Shared(const Array* array, int64_t offset) : array_(array), offset_(offset) {}
  Element<T> operator[](int64_t index) const {
    index += offset_;
    if (index < 0 || index >= static_cast<int64_t>(array_->count)) out_of_bounds(*array_, index);
    return Element<T>(*array_, static_cast<size_t>(index));
  }
  Element<T> operator*() const { return (*this)[0]; }
  Shared operator+(int64_t count) const { return Shared(array_, offset_ + count); }
  Shared operator-(int64_t count) const { return Shared(array_, offset_ - count); }

 private:
  const Array* array_;
  int64_t offset_;
};

}  // namespace simt

#define PAPO_SHARED(T, name, count)      \
  static constexpr char name##_site = 0; \
  const ::simt::Shared<T> name(&name##_site, #name, count)
