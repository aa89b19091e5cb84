#!/usr/bin/env python3
"""Golden values of Qwen2.5-VL from Hugging Face transformers, for `papo verify`.

Writes an ordinary checkpoint folder of a small random model, and beside it golden.safetensors and golden.json with
what transformers computes from it in float32 on the CPU: pixels, image embeddings, positions, logits, log-probs,
entropies, a greedy continuation, and per tensor the norm of the gradient and a probe of its direction. golden.json
also says, under `bfloat16`, how far transformers' own bfloat16 run is from that: the measure of papo's.

usage: make_qwen_fixture.py OUT_DIR [--seed 0] [--preset shipped|tied|untied|wide]
needs: torch, torchvision, transformers 5.17, safetensors, pillow, numpy
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

# `shipped` is what the package carries: under 1 MB with its golden values.
PRESETS = {
    "shipped": dict(hidden=32, layers=2, heads=2, kv=1, inter=48, vocab=96, tie=True, sections=[2, 3, 3],
                    v_depth=2, v_hidden=16, v_heads=1, v_inter=24, window=56, full=[1]),
    "tied": dict(hidden=64, layers=4, heads=4, kv=2, inter=128, vocab=640, tie=True, sections=[2, 3, 3],
                 v_depth=4, v_hidden=32, v_heads=2, v_inter=48, window=112, full=[1, 3]),
    "untied": dict(hidden=96, layers=3, heads=6, kv=3, inter=160, vocab=704, tie=False, sections=[2, 3, 3],
                   v_depth=3, v_hidden=48, v_heads=3, v_inter=80, window=56, full=[2]),
    "wide": dict(hidden=128, layers=2, heads=2, kv=1, inter=256, vocab=1024, tie=True, sections=[8, 12, 12],
                 v_depth=5, v_hidden=64, v_heads=4, v_inter=96, window=84, full=[0, 4]),
}
# Picture sizes (width, height) of each case's prompt.
SIZES = {"shipped": [[(56, 84)], [(60, 57), (40, 90)], []], None: [[(140, 84)], [(253, 197)], [(61, 300), (98, 98)], []]}


def build_config(p):
    vocab = p["vocab"]
    text = dict(hidden_size=p["hidden"], intermediate_size=p["inter"], num_hidden_layers=p["layers"],
                num_attention_heads=p["heads"], num_key_value_heads=p["kv"], vocab_size=vocab,
                max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=p["tie"],
                rope_parameters=dict(rope_type="default", rope_theta=1000000.0, mrope_section=p["sections"]),
                use_sliding_window=False, bos_token_id=vocab - 10, eos_token_id=vocab - 9)
    vision = dict(depth=p["v_depth"], hidden_size=p["v_hidden"], num_heads=p["v_heads"], intermediate_size=p["v_inter"],
                  out_hidden_size=p["hidden"], patch_size=14, temporal_patch_size=2, spatial_merge_size=2,
                  window_size=p["window"], fullatt_block_indexes=p["full"], in_channels=3, hidden_act="silu")
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, image_token_id=vocab - 1, video_token_id=vocab - 2,
                              vision_start_token_id=vocab - 3, vision_end_token_id=vocab - 4, tie_word_embeddings=p["tie"])
    config._attn_implementation = "eager"
    return config


def build_model(config):
    model = Qwen2_5_VLForConditionalGeneration(config).float().eval()
    with torch.no_grad():
        for weight in model.parameters():  # no zero bias and no unit norm: every weight has to matter
            weight.add_(torch.randn_like(weight) * (0.15 if weight.dim() == 1 else 0.05))
    return model


def draw_picture(rng, width, height):
    """Waves with a hard-edged rectangle and noise: resizing and cutting both show."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(3, 40) + y / rng.uniform(3, 40) + rng.uniform(0, 6)) for _ in range(3)]
    pixels = 127 + 120 * np.stack(waves, -1)
    pixels[height // 4:height // 2, width // 3:width // 2] = rng.integers(0, 255, 3)
    pixels += rng.normal(0, 6, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


class Case:
    """One prompt with its pictures and an 11-token response."""

    def __init__(self, index, sizes, rng, config, processors, out_dir):
        words = lambda count: rng.integers(0, config.text_config.vocab_size - 20, count).tolist()
        self.name, self.tensors, self.inputs, self.files = f"case{index}", {}, {}, []
        pictures = [draw_picture(rng, *size) for size in sizes]
        ids = words(7)
        if pictures:
            pil, fast = (processor(images=pictures, return_tensors="pt") for processor in processors)
            grids = fast["image_grid_thw"]
            self.inputs = dict(pixel_values=fast["pixel_values"], image_grid_thw=grids)
            self.tensors = dict(pixel_values_pil=pil["pixel_values"], pixel_values=fast["pixel_values"], image_grid_thw=grids)
            for i, (picture, (t, h, w)) in enumerate(zip(pictures, grids.tolist())):
                self.files.append(f"{self.name}_{i}.png")
                picture.save(os.path.join(out_dir, self.files[-1]))
                ids += [config.vision_start_token_id] + [config.image_token_id] * (t * h * w // 4)
                ids += [config.vision_end_token_id] + words(3)
        ids += words(9)
        self.num_prompt = len(ids)
        self.ids = torch.tensor([ids + words(11)])

    def score(self, model, config):
        """What `model` makes of the case: tensors, and the norms and probes of its gradients."""
        start, grids = self.num_prompt, self.inputs.get("image_grid_thw")
        mask, types = torch.ones_like(self.ids), (self.ids == config.image_token_id).long()
        positions, delta = model.model.get_rope_index(self.ids, mm_token_type_ids=types, image_grid_thw=grids, attention_mask=mask)
        model.zero_grad()
        logits = model(input_ids=self.ids, attention_mask=mask, position_ids=positions, mm_token_type_ids=types, **self.inputs).logits[0]
        log_p = torch.log_softmax(logits[start - 1:-1].float(), -1)
        log_probs = log_p.gather(-1, self.ids[0, start:, None])[:, 0]
        entropy = -(log_p.exp() * log_p).sum(-1)
        (-log_probs.mean() + 0.1 * entropy.mean()).backward()
        tensors = dict(position_ids=positions[:, 0], logits=logits.detach(), logprobs=log_probs.detach(), entropy=entropy.detach())
        if self.files:
            with torch.no_grad():
                embeds = model.model.visual(self.inputs["pixel_values"], grid_thw=grids)
            embeds = getattr(embeds, "pooler_output", embeds)
            tensors["image_embeds"] = torch.cat(list(embeds)) if isinstance(embeds, (tuple, list)) else embeds
        grads = {name: weight.grad.double().flatten() for name, weight in model.named_parameters() if weight.grad is not None}
        wave = lambda grad: torch.cos(torch.arange(grad.numel(), dtype=torch.float64))
        norms = {name: float(grad.norm()) for name, grad in grads.items()}
        probes = {name: float((grad * wave(grad)).sum()) for name, grad in grads.items()}
        return tensors, norms, probes, int(delta.flatten()[0])

    def run(self, model, config):
        """Fills self.tensors, self.norms and self.probes with the golden values; returns the rope delta."""
        scored, self.norms, self.probes, delta = self.score(model, config)
        image_id, prompt_ids = config.image_token_id, self.ids[:, :self.num_prompt]
        never = [image_id, config.video_token_id, config.vision_start_token_id, config.vision_end_token_id]
        with torch.no_grad():
            out = model.generate(input_ids=prompt_ids, attention_mask=torch.ones_like(prompt_ids),
                                 mm_token_type_ids=(prompt_ids == image_id).long(), do_sample=False, max_new_tokens=24,
                                 eos_token_id=config.text_config.eos_token_id, pad_token_id=0, suppress_tokens=never, **self.inputs)
        self.tensors |= scored | dict(input_ids=self.ids[0], greedy=out[0, self.num_prompt:])
        return delta

    def errors(self, model, config):
        """Largest differences of another run of the case from the golden values, as `papo verify` measures them."""
        scored, norms, probes, _ = self.score(model, config)
        worst = {key: float((scored[key].double() - self.tensors[key].double()).abs().max())
                 for key in ("image_embeds", "logits", "logprobs", "entropy") if key in scored}
        numel = {name: weight.numel() for name, weight in model.named_parameters()}
        scale = {name: max(norm, 1e-30) for name, norm in self.norms.items()}
        worst["rel_grad_norm"] = max(abs(norms[name] - self.norms[name]) / scale[name] for name in scale)
        worst["grad_probe"] = max(abs(probes[name] - self.probes[name]) / (scale[name] * (numel[name] / 2) ** 0.5) for name in scale)
        return worst


def bfloat16_errors(folder, cases, config):
    """Transformers' bfloat16 run, loaded as a user would: the weights are rounded, the rotary frequencies are not."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
    worst = {}
    for case in cases:
        for key, value in case.errors(model, config).items():
            worst[key] = max(worst.get(key, 0.0), value)
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", default="shipped", choices=PRESETS)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    torch.manual_seed(args.seed)
    config = build_config(PRESETS[args.preset])
    model = build_model(config)
    model.save_pretrained(args.out)
    limits = dict(min_pixels=28 * 28 * 4, max_pixels=28 * 28 * 40)
    processors = Qwen2VLImageProcessorPil(**limits), Qwen2VLImageProcessor(**limits)
    described = dict(image_processor_type="Qwen2VLImageProcessor", patch_size=14, temporal_patch_size=2, merge_size=2,
                     image_mean=list(processors[0].image_mean), image_std=list(processors[0].image_std), **limits)
    with open(os.path.join(args.out, "preprocessor_config.json"), "w") as file:
        json.dump(described, file, indent=1)
    tensors, golden, cases = {}, {"cases": []}, []
    for index, sizes in enumerate(SIZES.get(args.preset, SIZES[None])):
        case = Case(index, sizes, rng, config, processors, args.out)
        delta = case.run(model, config)
        golden[f"grad_norm_{case.name}"], golden[f"grad_probe_{case.name}"] = case.norms, case.probes
        tensors |= {f"{case.name}.{key}": value.detach().contiguous() for key, value in case.tensors.items()}
        golden["cases"].append(dict(images=case.files, n_prompt=case.num_prompt, rope_delta=delta))
        cases.append(case)
    golden["bfloat16"] = bfloat16_errors(args.out, cases, config)
    save_file(tensors, os.path.join(args.out, "golden.safetensors"))
    with open(os.path.join(args.out, "golden.json"), "w") as file:
        json.dump(golden, file, indent=1)


main()
