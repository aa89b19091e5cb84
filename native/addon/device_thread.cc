#include "addon/device_thread.h"

#include <dlfcn.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>

#include "addon/handle.h"
#include "core/torch_compat.h"
#include "core/vector_math.h"

namespace papo {
namespace {

// A worker that ends unloads the modules that only it has loaded, with this thread still inside.
void keep_module_loaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&keep_module_loaded), &info) != 0)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

// Never destroyed: at process exit the thread may still be inside libtorch, whose own statics are already gone.
class DeviceThread {
 public:
  static DeviceThread& instance() {
    static auto* thread = new DeviceThread();
    return *thread;
  }
  void post(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    ready_.notify_one();
  }

 private:
  DeviceThread() {
    keep_module_loaded();
    std::thread([this] { run(); }).detach();
  }
  void run() {
    // Said once, the number holds: MKL would otherwise take fewer threads on a busy machine, and sums round
    // differently.
    at::set_num_threads(at::get_num_threads());
    settle_vector_math();
    for (;;) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return !queue_.empty(); });
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
};

Napi::Error make_error(Napi::Env env, const std::string& text, const std::string& code, const std::string& op) {
  auto error = Napi::Error::New(env, text);
  error.Set("code", Napi::String::New(env, code));
  error.Set("op", Napi::String::New(env, op));
  return error;
}

}  // namespace

void post_to_device(std::function<void()> work) { DeviceThread::instance().post(std::move(work)); }

Napi::Error to_js_error(Napi::Env env, std::exception_ptr failure, const char* op) {
  const std::string prefix = std::string("[") + op + "] ";
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return make_error(env, error.what(), error.code, error.op);
  } catch (const c10::OutOfMemoryError& error) {
    return make_error(env, prefix + error.what_without_backtrace(), "E_OOM", op);
  } catch (const std::bad_alloc&) {
    return make_error(env, prefix + "out of memory", "E_OOM", op);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    const bool oom = text.find("DefaultCPUAllocator") != std::string::npos;
    return make_error(env, prefix + text, oom ? "E_OOM" : "E_TORCH", op);
  } catch (const std::exception& error) {
    return make_error(env, prefix + error.what(), "E_TORCH", op);
  }
}

Watch parse_watch(Napi::Value options) {
  Watch watch;
  if (!options.IsObject()) return watch;
  auto object = options.As<Napi::Object>();
  if (object.Has("cancel") && object.Get("cancel").IsExternal()) {
    watch.cancel = get_handle<CancelFlag>(object.Get("cancel"), "watch");
  }
  if (object.Has("progress") && object.Get("progress").IsFunction()) {
    auto env = options.Env();
    const JsCallback callback(env, object.Get("progress").As<Napi::Function>(), "progress", false);
    // Released with the last copy of the watch.
    const std::shared_ptr<void> keep(nullptr, [callback](void*) { callback.release(); });
    watch.progress = [callback, keep](int64_t done, int64_t total) {
      callback.queue([done, total](Napi::Env env, Napi::Function report) {
        report.Call(
            {Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(total))});
      });
    };
  }
  return watch;
}

}  // namespace papo
