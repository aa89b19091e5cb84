#!/usr/bin/env python3
"""Golden values of saliency from Hugging Face transformers: of DINOv2, and of the shipped fixture's vision tower.

Writes under OUT_DIR one small picture and, for each variant (mlp, swiglu, registers), an ordinary checkpoint folder of
a small random model with golden.safetensors beside it: the input, the hidden states and the attention of every layer
(attn_implementation eager) in float32 on the CPU, and the saliency of the patches, worked out here in numpy.

tower.json has the saliency by the vision tower of lib/policy/fixture, block 1, of the picture of `mlp`.

usage: make_dinov2_fixture.py OUT_DIR [--seed 0]
needs: torch, torchvision, transformers 5.17, safetensors, pillow, numpy
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (BitImageProcessor, Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig,
                          Dinov2WithRegistersModel, Qwen2_5_VLForConditionalGeneration)
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

PATCH = 14
# Position embeddings are those of image_size; the picture's short side becomes `shortest`. Only `swiglu` has the
# grid that it was made for, and weights in bfloat16.
VARIANTS = {
    "mlp": dict(image_size=56, shortest=42, picture=(100, 61), swiglu=False, registers=0, dtype=torch.float32),
    "swiglu": dict(image_size=42, shortest=42, picture=(61, 61), swiglu=True, registers=0, dtype=torch.bfloat16),
    "registers": dict(image_size=56, shortest=45, picture=(61, 100), swiglu=False, registers=2, dtype=torch.bfloat16),
}
SALIENCY_LAYERS = [1, 2]


def draw_picture(rng, width, height):
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(3, 20) + y / rng.uniform(3, 20) + rng.uniform(0, 6)) for _ in range(3)]
    pixels = 127 + 120 * np.stack(waves, -1)
    pixels[height // 4:height // 2, width // 3:width // 2] = rng.integers(0, 255, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def build_model(v):
    sizes = dict(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, mlp_ratio=2, image_size=v["image_size"],
                 patch_size=PATCH, use_swiglu_ffn=v["swiglu"])
    if v["registers"]:
        model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=v["registers"]))
    else:
        model = Dinov2Model(Dinov2Config(**sizes))
    model = model.float().eval()
    with torch.no_grad():  # no zero bias and no unit norm or layer scale: every weight has to matter
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if weight.dim() != 2 else 0.2))
            weight.copy_(weight.to(v["dtype"]).float())
    model.set_attn_implementation("eager")
    return model


def whole_patches(width, height, shortest):
    """The processor's size with the short side as asked for, to the nearest whole patches."""
    scaled = lambda side: shortest if side == min(width, height) else int(shortest * side / min(width, height))
    return {side: max(1, round(scaled(px) / PATCH)) * PATCH for side, px in (("height", height), ("width", width))}


def saliency_of(attentions, num_prefix):
    """Attention that each patch has from the others: mean over heads, then over layers."""
    layers = []
    for attention in attentions:
        between = attention[0].double().numpy()[:, num_prefix:, num_prefix:].mean(0)
        np.fill_diagonal(between, 0)
        layers.append(between.sum(0))
    return np.mean(layers, 0)


def write_variant(out_dir, rng, v):
    os.makedirs(out_dir, exist_ok=True)
    picture = draw_picture(rng, *v["picture"])
    picture.save(os.path.join(out_dir, "picture.png"))
    model = build_model(v)
    size = whole_patches(*v["picture"], v["shortest"])
    whole = BitImageProcessor(size=size, do_center_crop=False, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    inputs = whole(images=picture, return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs, output_attentions=True, output_hidden_states=True)
    golden = {"pixel_values": inputs["pixel_values"][0]}
    for i, (hidden, attention) in enumerate(zip(out.hidden_states, out.attentions)):
        golden[f"hidden.{i}"], golden[f"attention.{i}"] = hidden[0], attention[0]
    chosen = [out.attentions[i] for i in SALIENCY_LAYERS]
    golden["saliency"] = torch.from_numpy(saliency_of(chosen, 1 + v["registers"]))
    save_file({name: value.contiguous() for name, value in golden.items()}, os.path.join(out_dir, "golden.safetensors"))
    model.to(v["dtype"]).save_pretrained(out_dir)
    # As the published checkpoints have it, crop included.
    BitImageProcessor(size={"shortest_edge": v["shortest"]}, crop_size={"height": 42, "width": 42}, image_mean=[0.485, 0.456, 0.406],
                      image_std=[0.229, 0.224, 0.225]).save_pretrained(out_dir)


def write_tower(file, picture_file, policy_dir):
    """The tower's own code, its attention caught on the way: eager attention runs block by block, window by window."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(policy_dir, dtype=torch.float32, attn_implementation="eager")
    inputs = Qwen2VLImageProcessor.from_pretrained(policy_dir)(images=Image.open(picture_file), return_tensors="pt")
    grid = inputs["image_grid_thw"]
    _, rows, cols = grid[0].tolist()
    calls, eager = [], qwen.eager_attention_forward
    qwen.eager_attention_forward = lambda *args, **kwargs: calls.append(eager(*args, **kwargs)) or calls[-1]
    with torch.no_grad():
        model.model.visual(inputs["pixel_values"], grid_thw=grid)
    walked = saliency_of([calls[-1][1]], 0)  # the last block sees the whole picture
    assert walked.shape == (rows * cols,) and len(calls) > 2
    units, _ = qwen.get_vision_window_index(grid, spatial_merge_size=2, window_size=56, patch_size=14)
    saliency = np.empty((rows, cols))
    for place, unit in enumerate(units.tolist()):
        for i in range(4):  # patches of a 2 x 2 unit, units row by row
            saliency[unit // (cols // 2) * 2 + i // 2, unit % (cols // 2) * 2 + i % 2] = walked[place * 4 + i]
    with open(file, "w") as out:
        json.dump({"rows": rows, "cols": cols, "saliency": saliency.flatten().tolist()}, out)
        out.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    for name, variant in VARIANTS.items():
        write_variant(os.path.join(args.out_dir, name), rng, variant)
    policy_dir = os.path.join(os.path.dirname(__file__), "..", "lib", "policy", "fixture")
    write_tower(os.path.join(args.out_dir, "tower.json"), os.path.join(args.out_dir, "mlp", "picture.png"), policy_dir)


if __name__ == "__main__":
    main()
