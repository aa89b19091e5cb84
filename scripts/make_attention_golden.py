#!/usr/bin/env python3
"""Golden attention of Qwen2.5-VL from Hugging Face transformers, for test/golden/attention.test.ts.

Reads a folder of make_qwen_fixture.py and writes, for each of its cases with pictures, what transformers' eager
attention gives in float32: the attention on each image token of the prompt, a mean over layers, heads and the rows that
predict the response's tokens, alike; and its entropy, renormalised over the image tokens and divided by the log of their
number, in float64. `plain` is the folder's model; the attention of random weights is nearly even, so `sharp` has the same
with every query projection SHARPER times as large.

usage: make_attention_golden.py FIXTURE_DIR OUT.json
needs: torch, transformers 5.17, safetensors
"""
import json
import sys

import torch
from safetensors.torch import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

SHARPER = 40


def attention_on_pictures(model, tensors, num_prompt):
    ids = tensors["input_ids"][None]
    is_image = ids == model.config.image_token_id
    out = model(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=is_image.long(),
                position_ids=tensors["position_ids"][:, None], pixel_values=tensors["pixel_values"],
                image_grid_thw=tensors["image_grid_thw"], output_attentions=True)
    layers = torch.stack(out.attentions)[:, 0].double()  # [L, H, T, T]
    return layers[:, :, num_prompt - 1:-1, is_image[0]].mean(dim=(0, 1, 2))


def describe(attention):
    shares = attention / attention.sum()
    entropy = -(shares * shares.log()).sum() / torch.tensor(float(len(shares)), dtype=torch.float64).log()
    return dict(attention=attention.tolist(), share=float(attention.sum()), entropy=float(entropy))


def main():
    fixture, out = sys.argv[1:]
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(fixture, dtype=torch.float32, attn_implementation="eager").eval()
    golden = load_file(f"{fixture}/golden.safetensors")
    with open(f"{fixture}/golden.json") as file:
        cases = json.load(file)["cases"]
    found = dict(sharper=SHARPER, plain={}, sharp={})
    with torch.no_grad():
        for kind in ("plain", "sharp"):
            for index, case in enumerate(cases):
                if not case["images"]:
                    continue
                tensors = {key.split(".", 1)[1]: value for key, value in golden.items() if key.startswith(f"case{index}.")}
                found[kind][f"case{index}"] = describe(attention_on_pictures(model, tensors, case["n_prompt"]))
            for name, weight in model.named_parameters():
                if ".q_proj." in name:
                    weight.mul_(SHARPER)
    with open(out, "w") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


main()
