// A Qwen2.5-VL policy: weights and the passes over groups that training, scoring and verification are made of.
#pragma once

#include "core/cancel.h"
#include "core/device.h"
#include "model/batch.h"
#include "model/qwen2_5_vl/image_embeds.h"
#include "model/qwen2_5_vl/language.h"
#include "model/qwen2_5_vl/update_memory.h"
#include "model/qwen2_5_vl/vision.h"
#include "ops/token_log_probs.h"

namespace papo {

// Which layers and vision blocks an update runs again in its backward pass.
enum class Checkpointing { kNone, kAll, kAuto };  // kAuto: as few as the memory that is left asks for

struct PolicyOptions {
  at::ScalarType dtype = at::kFloat;
  bool trained = false;
  bool freeze_vision_tower = false;
  Checkpointing checkpointing = Checkpointing::kNone;
  Device device = Device::kCpu;  // float64 runs on the CPU only
};

struct Policy {
  Policy(const qwen2_5_vl::Config& config, const PolicyOptions& options);

  const qwen2_5_vl::Config config;
  const PolicyOptions options;
  ParameterStore store;
  qwen2_5_vl::VisionWeights vision;
  qwen2_5_vl::LanguageWeights language;
};

// Normal(0, 0.02) matrices, unit norms, zero biases: transformers' initialisation, from counter-based numbers.
void initialize_weights(Policy& policy, uint64_t seed);

// Prompt rows as the language model takes them: token embeddings with the pictures' embeddings in place, and rotary
// positions.
struct PromptRows {
  at::Tensor embeds_PD;
  qwen2_5_vl::RopePositions positions;
};
std::vector<PromptRows> embed_prompts(const Policy& policy, const std::vector<ViewedPrompt>& prompts,
                                      int64_t recomputed_blocks = 0);

// Groups laid end to end for one packed pass, each prompt run once and each response attending to it: [prompt rows,
// response rows ...] a group.
struct PackedGroups {
  at::Tensor embeds_TD;
  qwen2_5_vl::PackedRows rows;     // all of them wanted
  std::vector<int64_t> head_rows;  // [R] the row whose head output predicts each response token
  std::vector<int64_t> targets;    // [R] the response tokens
  Recomputed recomputed;
};
struct ViewedGroup {
  const GroupInput* group;
  const MaskedView* view;  // null: the plain pictures
};
PackedGroups pack_groups(const Policy& policy, const std::vector<ViewedGroup>& groups,
                         const Recomputed& recomputed = {});

// Final hidden states [R, D] that predict each response token.
at::Tensor predicting_hidden(const Policy& policy, const PackedGroups& packed);

// What predicts the response tokens of groups, in packing order: final hidden states and the tokens. Differentiable.
struct PredictingRows {
  at::Tensor hidden_RD, targets_R;
};
PredictingRows predicting_rows(const Policy& policy, const std::vector<const GroupInput*>& groups,
                               const MaskedView* view, const Recomputed& recomputed = {});

// Log-probs (and entropies) of the tokens, [R]; differentiable.
TokenScores score_rows(const Policy& policy, const PredictingRows& rows, double temperature, bool with_entropy);
TokenScores score_groups(const Policy& policy, const std::vector<const GroupInput*>& groups, double temperature,
                         bool with_entropy, const MaskedView* view, const Recomputed& recomputed = {});

// How often a micro-batch runs what it holds: a plain pass runs a prompt once a group and every response once, one with
// a mask per response runs the prompt for each. Passes whose graphs are kept together add up.
struct PassRows {
  int64_t prompt_a_group = 0, prompt_a_response = 0, response = 0;
};
PassRows pass_rows(const MaskedView* view);

struct MicroBatch {
  std::vector<GroupInput> groups;               // whole ones, or some responses of one
  int64_t first_response = 0, first_token = 0;  // in the whole batch
  int64_t groups_done = 0;                      // groups before `end` of the batch that it completes
  int64_t num_responses() const;
  int64_t num_tokens() const;
};
// Cuts groups [begin, end) into the fewest micro-batches of at most max_tokens rows, balanced. A group that is larger
// alone is cut between its responses; a response that is larger alone stands alone.
std::vector<MicroBatch> cut_micro_batches(const GroupBatch& batch, int64_t begin, int64_t end, int64_t max_tokens,
                                          const PassRows& rows);

// How a batch is scored, without gradients, in micro-batches.
struct ScoreSpec {
  double temperature = 1.0;
  bool with_entropy = false;
  int64_t max_tokens = 16384;  // rows a micro-batch
};
// score_groups over groups [first_group, ...) of a batch; what comes before is nan.
TokenScores score_batch(const Policy& policy, const GroupBatch& batch, const ScoreSpec& spec, const MaskedView* view,
                        int64_t first_group, const Watch& watch);

// Both views of a batch, each micro-batch in one packed pass: the plain one of groups [first_plain, ...), nan before.
struct PlainAndMasked {
  TokenScores plain, masked;
};
PlainAndMasked score_both_views(const Policy& policy, const GroupBatch& batch, const ScoreSpec& spec,
                                const MaskedView& view, int64_t first_plain, const Watch& watch);

}  // namespace papo
