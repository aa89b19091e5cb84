// Handles: JavaScript externals that own a shared_ptr, with one type tag each; a wrong or disposed one throws.
// Freeing happens on the device thread, so a dispose() waits its turn behind running work.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/device_thread.h"

namespace papo {

struct HandleBox {
  std::shared_ptr<void> value;
  int64_t bytes = 0;  // native memory that V8 is told of
};

// One specialisation a handle type: static constexpr napi_type_tag tag and const char* name.
template <class T>
struct HandleTraits;

inline void release_box(Napi::Env env, HandleBox* box) {
  if (!box->value) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -box->bytes);
  post_to_device([value = std::move(box->value)]() mutable { value.reset(); });
  box->value.reset();
}

template <class T>
Napi::Value make_handle(Napi::Env env, std::shared_ptr<T> value, int64_t bytes = 0) {
  auto* box = new HandleBox{std::move(value), bytes};
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  auto external = Napi::External<HandleBox>::New(env, box, [](Napi::Env env, HandleBox* box) {
    release_box(env, box);
    delete box;
  });
  napi_type_tag_object(env, external, &HandleTraits<T>::tag);
  return external;
}

// Whether the value is a handle of one of the types.
template <class... Types>
bool is_handle(Napi::Value value) {
  const auto has_tag = [&](const napi_type_tag& tag) {
    bool matches = false;
    napi_check_object_type_tag(value.Env(), value, &tag, &matches);
    return matches;
  };
  return value.IsExternal() && (has_tag(HandleTraits<Types>::tag) || ...);
}

template <class T>
std::shared_ptr<T> get_handle(Napi::Value value, const char* op) {
  check(is_handle<T>(value), op, std::string("expected a ") + HandleTraits<T>::name + " handle", "E_HANDLE");
  auto* box = value.As<Napi::External<HandleBox>>().Data();
  check(box->value != nullptr, op, std::string("the ") + HandleTraits<T>::name + " was disposed", "E_DISPOSED");
  return std::static_pointer_cast<T>(box->value);
}

#define PAPO_HANDLE(Type, handle_name, high, low)               \
  template <>                                                   \
  struct HandleTraits<Type> {                                   \
    static constexpr napi_type_tag tag = {high##ull, low##ull}; \
    static constexpr const char* name = handle_name;            \
  }

PAPO_HANDLE(CancelFlag, "cancel flag", 0x7061706f00000001, 0x63616e63656c0001);

}  // namespace papo
