#!/usr/bin/env python3
"""Compares the log-probs of a recorded papo step with those of transformers, response by response.

The record is what `papo bench step MODEL WORKLOAD --record RECORD` writes; its policy has not moved yet, so both
reference and masked log-probs are those of MODEL's own weights. Masked pictures are made by blackening the recorded
cells in the picture before the processor sees it, which is the same where no picture is resized (sides of a multiple
of 28 pixels, within the processor's limits); other pictures are refused.
Prints one JSON object with the largest differences; exit code 1 when one is above the tolerance.

usage: check_log_probs.py MODEL_DIR WORKLOAD.json RECORD.json [--tolerance 5e-4] [--threads 2] [--prompts N]
needs: torch, torchvision, transformers 5.17, pillow, numpy
"""
import argparse
import json
import os
import sys

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

CELL = 14


def blackened(picture, dropped):
    """The picture with the dropped cells (row-major, 1 = dropped) black."""
    pixels = np.array(picture)
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    if pixels.shape[0] % (2 * CELL) or pixels.shape[1] % (2 * CELL) or rows * columns != len(dropped):
        sys.exit(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} is resized: its cells cannot be blackened before")
    mask = np.array(dropped, dtype=bool).reshape(rows, columns).repeat(CELL, 0).repeat(CELL, 1)
    pixels[mask] = 0
    return Image.fromarray(pixels)


def processed(processor, pictures):
    if not pictures:
        return {}
    out = processor(images=pictures, return_tensors="pt")
    return {"pixel_values": out["pixel_values"], "image_grid_thw": out["image_grid_thw"]}


def log_probs(model, prompt, response, images):
    ids = torch.tensor([prompt + response])
    types = (ids == model.config.image_token_id).long()
    with torch.no_grad():
        out = model(input_ids=ids, mm_token_type_ids=types, use_cache=False, logits_to_keep=len(response) + 1, **images)
    logits = out.logits[0, -len(response) - 1 : -1].float()
    return torch.log_softmax(logits, -1).gather(-1, ids[0, -len(response) :, None])[:, 0].numpy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("workload")
    parser.add_argument("record")
    parser.add_argument("--tolerance", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=None, help="the first so many; default: all")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        options.model, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    limits = json.load(open(os.path.join(options.model, "preprocessor_config.json")))
    processor = Qwen2VLImageProcessor(min_pixels=limits["min_pixels"], max_pixels=limits["max_pixels"])
    root = os.path.dirname(os.path.abspath(options.workload))
    prompts = json.load(open(options.workload))["prompts"]
    record = json.load(open(options.record))

    worst = {"ref": 0.0, "aug": 0.0}
    token, picture_index, checked = 0, 0, 0
    for prompt, responses in zip(prompts[: options.prompts], record["responses"]):
        pictures = [Image.open(os.path.join(root, path)).convert("RGB") for path in prompt["images"]]
        cells = record["droppedCells"][picture_index : picture_index + len(pictures)]
        picture_index += len(pictures)
        branches = {
            "ref": processed(processor, pictures),
            "aug": processed(processor, [blackened(*pair) for pair in zip(pictures, cells)]),
        }
        for response in responses:
            for branch, images in branches.items() if response else []:
                expected = log_probs(model, prompt["input_ids"], response, images)
                difference = np.abs(expected - np.array(record[branch][token : token + len(response)])).max()
                worst[branch] = max(worst[branch], float(difference)) if np.isfinite(difference) else float("inf")
            token += len(response)
            checked += len(response)
    print(json.dumps({"ref": worst["ref"], "aug": worst["aug"], "tokens": checked, "tolerance": options.tolerance}))
    sys.exit(0 if max(worst.values()) <= options.tolerance else 1)


main()
