// The fields of a JavaScript object by name, checked; errors say `<where>.<name>: expected ...`.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace papo {

class Fields {
 public:
  Fields(Napi::Value value, const char* op, std::string where) : op_(op), where_(std::move(where)) {
    require(value.IsObject(), "", "an object");
    object_ = value.As<Napi::Object>();
  }
  bool has(const char* name) const {
    const Napi::Value value = object_.Get(name);
    return !value.IsUndefined() && !value.IsNull();
  }
  Napi::Value get(const char* name) const { return object_.Get(name); }
  double number(const char* name) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsNumber(), name, "a number");
    return value.As<Napi::Number>().DoubleValue();
  }
  int64_t integer(const char* name) const {
    const double value = number(name);
    require(value == std::floor(value) && std::abs(value) <= 0x1p53, name, "an integer");
    return static_cast<int64_t>(value);
  }
  bool flag(const char* name) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsBoolean(), name, "a boolean");
    return value.As<Napi::Boolean>();
  }
  std::string text(const char* name) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsString(), name, "a string");
    return value.As<Napi::String>();
  }
  std::vector<int64_t> integers(const char* name) const {
    std::vector<int64_t> out;
    each(name, [&](const Napi::Value& value) {
      require(value.IsNumber(), name, "integers");
      out.push_back(value.As<Napi::Number>().Int64Value());
    });
    return out;
  }
  // Token ids: an Int32Array.
  std::vector<int64_t> ids(const char* name) const { return to_ids(object_.Get(name), name); }
  std::vector<int64_t> to_ids(const Napi::Value& value, const char* name) const {
    const bool fits = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array;
    require(fits, name, "an Int32Array");
    const auto array = value.As<Napi::Int32Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
  }
  template <class Use>
  void each(const char* name, const Use& use) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsArray(), name, "an array");
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) use(array.Get(i));
  }
  Fields nested(const char* name) const { return {object_.Get(name), op_, where_ + "." + name}; }
  Fields of(const Napi::Value& value, const char* name) const { return {value, op_, where_ + "." + name}; }
  void require(bool ok, const char* name, const char* what) const {
    if (!ok) throw Error("E_VALUE", op_, where_ + (*name ? "." : "") + name + ": expected " + what);
  }

 private:
  const char* op_;
  std::string where_;
  Napi::Object object_;
};

}  // namespace papo
