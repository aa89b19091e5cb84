// Pictures for JavaScript: create and plan them, see what the model sees, draw patch masks.
#include "addon/exports.h"
#include "addon/handle.h"
#include "addon/image_values.h"
#include "image/convert.h"
#include "image/patches.h"

namespace papo {
namespace {

using Bytes = Napi::Uint8Array;

Bytes as_bytes(const Napi::Value& value, const char* name, const char* op) {
  check(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array, op,
        std::string(name) + ": expected a Uint8Array", "E_DTYPE");
  return value.As<Bytes>();
}

at::Tensor copy_rgb(const Napi::Value& value, int64_t height, int64_t width, const char* op) {
  const auto bytes = as_bytes(value, "rgb", op);
  check(height >= 1 && width >= 1 && height <= 1 << 24 && width <= 1 << 24, op, "expected sides of 1 to 2^24 px");
  check(static_cast<int64_t>(bytes.ByteLength()) == height * width * 3, op,
        "rgb: expected " + std::to_string(height * width * 3) + " bytes for " + std::to_string(width) + " x " +
            std::to_string(height) + " px, got " + std::to_string(bytes.ByteLength()));
  auto rgb_YX3 = at::empty({height, width, 3}, at::kByte);
  std::copy_n(bytes.Data(), bytes.ByteLength(), rgb_YX3.data_ptr<uint8_t>());
  return rgb_YX3;
}

Napi::Value to_bytes(Napi::Env env, const at::Tensor& values) {
  const auto contiguous = values.contiguous();
  auto out = Bytes::New(env, contiguous.numel());
  std::copy_n(contiguous.const_data_ptr<uint8_t>(), contiguous.numel(), out.Data());
  return out;
}

Napi::Object to_info(Napi::Env env, int64_t height, int64_t width, const ImagePlan& plan) {
  auto out = Napi::Object::New(env);
  out.Set("height", static_cast<double>(height));
  out.Set("width", static_cast<double>(width));
  out.Set("resizedHeight", static_cast<double>(plan.resized_height));
  out.Set("resizedWidth", static_cast<double>(plan.resized_width));
  auto grid = Napi::Array::New(env, 3);
  for (uint32_t axis = 0; axis < 3; ++axis) grid.Set(axis, static_cast<double>(plan.grid_thw[axis]));
  out.Set("gridThw", grid);
  return out;
}

// createImage(rgb: Uint8Array, height: number, width: number, spec: ImageSpec, saliency?: SaliencyRanking): ImageHandle
Napi::Value CreateImage(const Napi::CallbackInfo& info) {
  constexpr const char* op = "create_image";
  return guarded(info.Env(), op, [&] {
    auto rgb_YX3 = copy_rgb(info[0], to_int64(info[1], "height", op), to_int64(info[2], "width", op), op);
    auto image =
        std::make_shared<Image>(std::move(rgb_YX3), parse_image_spec(info[3]), parse_saliency_ranking(info[4]));
    const int64_t bytes = image->num_bytes;
    return make_handle(info.Env(), std::move(image), bytes);
  });
}

// imageInfo(image: ImageHandle): ImageInfo
Napi::Value ImageInfo(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "image_info", [&] {
    const auto image = get_handle<Image>(info[0], "image_info");
    const int64_t height = image->rgb_YX3.size(0), width = image->rgb_YX3.size(1);
    return to_info(info.Env(), height, width, plan_image(height, width, image->spec));
  });
}

// imagePlan(height: number, width: number, spec: ImageSpec): ImageInfo
Napi::Value PlanImage(const Napi::CallbackInfo& info) {
  constexpr const char* op = "image_plan";
  return guarded(info.Env(), op, [&] {
    const int64_t height = to_int64(info[0], "height", op), width = to_int64(info[1], "width", op);
    return to_info(info.Env(), height, width, plan_image(height, width, parse_image_spec(info[2])));
  });
}

// pixelValues(image: ImageHandle, patchMask: PatchMask | null): Promise<Float32Array>
Napi::Value PixelValues(const Napi::CallbackInfo& info) {
  constexpr const char* op = "pixel_values";
  return guarded(info.Env(), op, [&] {
    const auto image = get_handle<Image>(info[0], op);
    const auto mask = parse_patch_mask(info[1]);
    return run_on_device(
        info.Env(), op, [image, mask] { return pixel_values(*image, mask ? &*mask : nullptr); },
        [](Napi::Env env, const at::Tensor& values) {
          auto out = Napi::Float32Array::New(env, values.numel());
          std::copy_n(values.const_data_ptr<float>(), values.numel(), out.Data());
          return out;
        });
  });
}

// resizedRgb(image: ImageHandle): Promise<Uint8Array>
Napi::Value ResizedRgb(const Napi::CallbackInfo& info) {
  constexpr const char* op = "resized_rgb";
  return guarded(info.Env(), op, [&] {
    const auto image = get_handle<Image>(info[0], op);
    return run_on_device(
        info.Env(), op, [image] { return resized_rgb(*image, nullptr); }, to_bytes);
  });
}

// maskedRgb(image: ImageHandle, patchMask: PatchMask): Promise<RgbPicture>
Napi::Value MaskedRgb(const Napi::CallbackInfo& info) {
  constexpr const char* op = "masked_rgb";
  return guarded(info.Env(), op, [&] {
    const auto image = get_handle<Image>(info[0], op);
    const auto mask = parse_patch_mask(info[1]);
    check(mask.has_value(), op, "expected a patch mask", "E_VALUE");
    return run_on_device(
        info.Env(), op, [image, mask] { return masked_rgb(*image, *mask); },
        [](Napi::Env env, const at::Tensor& rgb_YX3) {
          auto out = Napi::Object::New(env);
          out.Set("rgb", to_bytes(env, rgb_YX3));
          out.Set("height", static_cast<double>(rgb_YX3.size(0)));
          out.Set("width", static_cast<double>(rgb_YX3.size(1)));
          return out;
        });
  });
}

// resizeRgb(rgb: Uint8Array, size: {height, width, toHeight, toWidth}, resample): Promise<Uint8Array>
Napi::Value ResizeRgb(const Napi::CallbackInfo& info) {
  constexpr const char* op = "resize_rgb";
  return guarded(info.Env(), op, [&] {
    check(info[1].IsObject(), op, "size: expected an object", "E_VALUE");
    const auto size = info[1].As<Napi::Object>();
    const auto side = [&](const char* name) { return to_int64(size.Get(name), name, op); };
    const auto rgb_YX3 = copy_rgb(info[0], side("height"), side("width"), op);
    const int64_t height = side("toHeight"), width = side("toWidth");
    check(height <= 1 << 24 && width <= 1 << 24, op, "expected sides of 1 to 2^24 px");
    const auto resample = parse_resample(info[2]);
    return run_on_device(
        info.Env(), op, [=] { return resize_rgb(rgb_YX3, height, width, resample); }, to_bytes);
  });
}

// patchMaskCells(patchMask: PatchMask, rows: number, cols: number): Uint8Array, 1 = dropped, row-major
Napi::Value PatchMaskCells(const Napi::CallbackInfo& info) {
  constexpr const char* op = "patch_mask_cells";
  return guarded(info.Env(), op, [&] {
    const auto mask = parse_patch_mask(info[0]);
    check(mask.has_value(), op, "expected a patch mask", "E_VALUE");
    const int64_t rows = to_int64(info[1], "rows", op), cols = to_int64(info[2], "cols", op);
    check(rows <= 1 << 16 && cols <= 1 << 16, op, "expected at most 65536 rows and columns", "E_VALUE");
    const auto cells = patch_mask_cells(mask->spec, mask->key, rows, cols);
    auto out = Bytes::New(info.Env(), cells.size());
    std::copy(cells.begin(), cells.end(), out.Data());
    return out;
  });
}

// applyCells(rgb: Uint8Array, height: number, width: number, patchPx: number, cells: Uint8Array): Uint8Array
Napi::Value ApplyCells(const Napi::CallbackInfo& info) {
  constexpr const char* op = "apply_cells";
  return guarded(info.Env(), op, [&] {
    auto rgb_YX3 = copy_rgb(info[0], to_int64(info[1], "height", op), to_int64(info[2], "width", op), op);
    const auto cells = as_bytes(info[4], "cells", op);
    const auto edges = CellEdges::squares(rgb_YX3.size(0), rgb_YX3.size(1), to_int64(info[3], "patchPx", op));
    fill_cells_(rgb_YX3, {cells.Data(), cells.Data() + cells.ByteLength()}, edges, {}, {});
    return to_bytes(info.Env(), rgb_YX3);
  });
}

Napi::Value to_bytes(Napi::Env env, const std::vector<uint8_t>& values) {
  auto out = Bytes::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

// cmykToRgb(cmyk: Uint8Array): Uint8Array
Napi::Value CmykToRgb(const Napi::CallbackInfo& info) {
  constexpr const char* op = "cmyk_to_rgb";
  return guarded(info.Env(), op, [&] {
    const auto cmyk = as_bytes(info[0], "cmyk", op);
    check(cmyk.ByteLength() % 4 == 0, op, "cmyk: expected four bytes a pixel");
    return to_bytes(info.Env(), cmyk_to_rgb({cmyk.Data(), cmyk.ByteLength()}));
  });
}

// grey16ToRgb(grey: Uint16Array): Uint8Array
Napi::Value Grey16ToRgb(const Napi::CallbackInfo& info) {
  constexpr const char* op = "grey16_to_rgb";
  return guarded(info.Env(), op, [&] {
    check(info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_uint16_array, op,
          "grey: expected a Uint16Array", "E_DTYPE");
    const auto grey = info[0].As<Napi::Uint16Array>();
    return to_bytes(info.Env(), grey16_to_rgb({grey.Data(), grey.ElementLength()}));
  });
}

}  // namespace

void export_image(Napi::Env env, Napi::Object exports) {
  exports.Set("createImage", Napi::Function::New(env, CreateImage, "createImage"));
  exports.Set("imageInfo", Napi::Function::New(env, ImageInfo, "imageInfo"));
  exports.Set("imagePlan", Napi::Function::New(env, PlanImage, "imagePlan"));
  exports.Set("pixelValues", Napi::Function::New(env, PixelValues, "pixelValues"));
  exports.Set("resizedRgb", Napi::Function::New(env, ResizedRgb, "resizedRgb"));
  exports.Set("maskedRgb", Napi::Function::New(env, MaskedRgb, "maskedRgb"));
  exports.Set("resizeRgb", Napi::Function::New(env, ResizeRgb, "resizeRgb"));
  exports.Set("patchMaskCells", Napi::Function::New(env, PatchMaskCells, "patchMaskCells"));
  exports.Set("cmykToRgb", Napi::Function::New(env, CmykToRgb, "cmykToRgb"));
  exports.Set("grey16ToRgb", Napi::Function::New(env, Grey16ToRgb, "grey16ToRgb"));
  exports.Set("applyCells", Napi::Function::New(env, ApplyCells, "applyCells"));
}

}  // namespace papo
