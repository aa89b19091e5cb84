#include "model/qwen2_5_vl/update_memory.h"

#include "ops/token_log_probs.h"

namespace papo {

using namespace qwen2_5_vl;

namespace {

double of(int64_t count) { return static_cast<double>(count); }

// The last layer's feed-forward part runs for the predicting rows alone, on copies.
double last_layer_bytes(const LayerBytes& layer, const UpdateRows& n) {
  return of(n.rows) * layer.before + of(n.predicting) * (layer.behind + layer.attended);
}

// Logits and what is made of them, and the gradient of the hidden states.
double head_bytes(const TextConfig& c, const UpdateForm& form, const UpdateRows& n, bool with_gradient) {
  const auto& [ops, w] = form.numbers;
  const double vocab = of(c.vocab_size), hidden = of(c.hidden_size), rows = of(n.head);
  // Bytes of a logit: in bfloat16 on the CPU also widened, twice for a product, and narrowed again.
  const double copies = ops == OpForm::kComposed ? w + 4 + (with_gradient ? w + 4 : 0) : w;
  const double weight = with_gradient && adds_by_copy(form.numbers) ? w * vocab * hidden : 0;
  const double gradient = with_gradient ? rows * hidden * std::max(form.forms_gradient ? w : 4, w) : 0;
  if (ops != OpForm::kKernels && !(with_gradient && form.forms_gradient))
    return gradient + std::min(of(HeadOptions{}.tile_bytes) / 4, rows * vocab) * copies;
  const double chunk_bytes = of(form.forms_gradient ? form.chunk_bytes : HeadOptions{}.chunk_bytes);
  const double chunk = std::max(16.0, std::floor(chunk_bytes / (vocab * (ops == OpForm::kKernels ? w : 4))));
  const double num_chunks = std::max(1.0, std::ceil(rows / chunk));
  return gradient + std::min(rows, ops == OpForm::kKernels ? chunk : std::ceil(rows / num_chunks)) * vocab * copies +
         weight;
}

// Kept outside the decoder's layers: rotary tables and ids, what the final norm keeps, hidden states of the response
// tokens.
double text_bytes(const TextConfig& c, const UpdateForm& form, const UpdateRows& n) {
  const auto& [ops, w] = form.numbers;
  const double norm = ops == OpForm::kComposed ? 8 : w;
  return of(n.rows) * (8 * of(c.head_size) + 8) + of(n.predicting) * norm * of(c.hidden_size) +
         of(n.head) * (w * of(c.hidden_size) + 24);
}

// Likewise outside the tower's blocks: pixels, rotary tables, the merger's norm, products and activation, the
// embeddings.
double tower_bytes(const VisionConfig& c, const UpdateForm& form, const UpdateRows& n) {
  if (!form.trains_tower) return 0;
  const auto& [ops, w] = form.numbers;
  const double merger = (ops == OpForm::kComposed ? 12 : 2 * w) + 2 * w;
  return of(n.patches) * (w * of(c.patch_numel()) + 8 * of(c.hidden_size / c.num_heads) + merger * of(c.hidden_size) +
                          w * of(c.out_hidden_size) / of(c.merge_unit()));
}

}  // namespace

double update_bytes(const Config& config, const UpdateForm& form, const UpdateRows& n, const Recomputed& again) {
  const auto sizes = layer_sizes(config.text), block_sizes = layer_sizes(config.vision);
  const auto layer = layer_bytes(sizes, form.numbers), block = layer_bytes(block_sizes, form.numbers);
  const double rows = of(n.rows), patches = of(n.patches), w = form.numbers.bytes;
  const int64_t stored = config.text.num_layers - again.layers;

  const double kept = stored > 0 ? of(stored - 1) * rows * layer.whole() + last_layer_bytes(layer, n) : 0;
  const double text = text_bytes(config.text, form, n) + of(again.layers) * rows * layer.input;
  const double blocks =
      form.trains_tower
          ? patches * (of(again.blocks) * block.input + of(config.vision.depth - again.blocks) * block.whole())
          : 0;
  const double tower = tower_bytes(config.vision, form, n) + blocks;

  const double gradient = of(n.head) * w * sizes.hidden;
  const double head = text + kept + head_bytes(config.text, form, n, true);
  const double last = text + kept + gradient + backward_bytes(sizes, form.numbers, n.largest_pass * of(n.predicting));
  // The first layer to run again; those behind it are gone, of other passes not yet.
  const double one = stored > 0 ? rows * layer.whole() : last_layer_bytes(layer, n);
  const double first_again = again.layers == 0
                                 ? 0
                                 : text + (1 - n.largest_pass) * kept + n.largest_pass * (one - rows * layer.input) +
                                       backward_bytes(sizes, form.numbers, n.largest_pass * rows);
  // The tower, with the gradient of the embeddings.
  const double tower_backward =
      form.trains_tower ? rows * layer.input + (again.blocks > 0 ? n.largest_pass * patches * block.whole() : 0) +
                              backward_bytes(block_sizes, form.numbers, n.largest_pass * patches)
                        : 0;
  const double tower_forward = n.largest_pass * patches * 4 * of(config.vision.patch_numel()) +
                               forward_bytes(block_sizes, form.numbers, n.largest_pass * patches);
  return tower + std::max({head, last, first_again, tower_backward, tower_forward});
}

std::optional<Recomputed> fewest_recomputed(const Config& config, const UpdateForm& form, const UpdateRows& rows,
                                            double bytes) {
  const auto fits = [&](const Recomputed& again) { return update_bytes(config, form, rows, again) <= bytes; };
  const int64_t num_layers = config.text.num_layers;
  Recomputed again{0, form.trains_tower ? config.vision.depth : 0};
  while (again.layers < num_layers && !fits(again)) ++again.layers;
  if (!fits(again)) return std::nullopt;
  while (again.blocks > 0 && fits({again.layers, again.blocks - 1})) --again.blocks;
  return again;
}

double scoring_bytes(const Config& config, const UpdateForm& form, const UpdateRows& n) {
  const auto sizes = layer_sizes(config.text), block_sizes = layer_sizes(config.vision);
  const double w = form.numbers.bytes, pixels = of(config.vision.patch_numel());
  const double tower = of(n.patches) * (4 + w) * pixels + forward_bytes(block_sizes, form.numbers, of(n.patches));
  const double text = of(n.rows) * 8 * of(config.text.head_size) +
                      std::max(forward_bytes(sizes, form.numbers, of(n.rows)),
                               of(n.head) * w * sizes.hidden + head_bytes(config.text, form, n, false));
  return std::max(tower, text);
}

}  // namespace papo
