// The reference's settings, key by key: what each one is here. Names, defaults and what the published code does with
// them: verl/trainer/config.py, verl/workers/*/config.py and trainer/main.py of the reference.
import type { Origin } from "./tree.ts";

/** A value that papo takes in the place of the reference's, or the rule that it breaks. */
export type Converted = { readonly value: unknown } | { readonly rule: string };

export type ReferenceKey =
  /** The same setting under another name. */
  | { readonly to: string; readonly convert?: (value: unknown, origin: Origin) => Converted }
  /** No use for it here. */
  | { readonly ignored: string }
  /** Any other value would ask for something that papo does not do. */
  | { readonly only: readonly unknown[]; readonly why: string }
  | { readonly neverRead: string }
  /** Taken together with others by easyr1-joint.ts; `means` is papo's key where there is one. */
  | { readonly joint: true; readonly means?: string };

const joint: ReferenceKey = { joint: true };
const jointly = (means: string): ReferenceKey => ({ joint: true, means });
const ignored = (why: string): ReferenceKey => ({ ignored: why });
const neverRead = (why: string): ReferenceKey => ({ neverRead: why });
const only = (values: readonly unknown[], why: string): ReferenceKey => ({ only: values, why });
const moved = (to: string): ReferenceKey => ({ to });

function oneOf(names: Readonly<Record<string, unknown>>): (value: unknown) => Converted {
  return (value) => {
    const found = Object.entries(names).find(([name]) => name === String(value));
    return found === undefined ? { rule: `expected one of ${Object.keys(names).join(", ")}` } : { value: found[1] };
  };
}

function renamed(to: string, names: Readonly<Record<string, unknown>>): ReferenceKey {
  return { to, convert: oneOf(names) };
}

/** The reference tests its frequencies and limits for `> 0`. */
function positive(to: string): ReferenceKey {
  return { to, convert: (value) => ({ value: Number.isInteger(value) && Number(value) <= 0 ? -1 : value }) };
}

const emptyIsNull = (value: unknown): Converted => ({ value: value === "" ? null : value });
const trueWords: readonly unknown[] = [true, "true", "yes", "on"];
const falseWords: readonly unknown[] = [false, "false", "no", "off"];

/** The reference's YAML is version 1.1, where yes and off are truth values. */
export function truth(value: unknown): unknown {
  const word = typeof value === "string" ? value.toLowerCase() : value;
  return trueWords.includes(word) ? true : falseWords.includes(word) ? false : value;
}

const switched = (to: string): ReferenceKey => ({ to, convert: (value) => ({ value: truth(value) }) });

/** Papo's names of KL estimators. */
const estimators = { kl: "k1", abs: "abs", mse: "mse", low_var_kl: "k3", full: "full" };

const noCritic = ignored("papo has no critic");
const sharding = ignored("papo has its own parallelism");
const engine = ignored("papo has its own rollout engine");
const cluster = ignored("papo needs no cluster manager");
const overwritten = (by: string) => ignored(`the reference overwrites it with algorithm.${by}`);

const dataKeys: Record<string, ReferenceKey> = {
  "data.train_files": { to: "data.train", convert: emptyIsNull },
  "data.val_files": { to: "data.val", convert: emptyIsNull },
  "data.prompt_key": moved("data.promptKey"),
  "data.answer_key": moved("data.answerKey"),
  "data.image_key": moved("data.imageKey"),
  "data.aug_image_key": neverRead("the path that would read pre-masked pictures fails in the reference"),
  "data.video_key": moved("data.videoKey"),
  "data.image_dir": moved("data.imageDir"),
  "data.video_fps": ignored("videos are not decoded"),
  "data.max_prompt_length": moved("data.maxPromptLength"),
  "data.max_response_length": moved("data.maxResponseLength"),
  "data.rollout_batch_size": moved("data.rolloutBatchSize"),
  "data.mini_rollout_batch_size": moved("data.miniRolloutBatchSize"),
  "data.val_batch_size": moved("data.valBatchSize"),
  "data.format_prompt": joint,
  "data.override_chat_template": moved("data.chatTemplate"),
  "data.shuffle": switched("data.shuffle"),
  "data.seed": moved("seed"),
  "data.min_pixels": moved("data.minPixels"),
  "data.max_pixels": moved("data.maxPixels"),
  "data.filter_overlong_prompts": switched("data.filterOverlongPrompts"),
  "data.filter_overlong_prompts_workers": ignored("lengths are computed from the pictures' headers"),
};

const algorithmKeys: Record<string, ReferenceKey> = {
  "algorithm.gamma": joint,
  "algorithm.lam": joint,
  "algorithm.adv_estimator": moved("algorithm.advantage"),
  "algorithm.disable_kl": joint,
  "algorithm.use_kl_loss": joint,
  "algorithm.kl_penalty": renamed("algorithm.klRef.estimator", estimators),
  "algorithm.kl_coef": moved("algorithm.klRef.coef"),
  "algorithm.kl_type": moved("algorithm.klRef.type"),
  "algorithm.kl_horizon": moved("algorithm.klRef.horizon"),
  "algorithm.kl_target": moved("algorithm.klRef.target"),
  "algorithm.online_filtering": switched("algorithm.filter.enabled"),
  "algorithm.filter_key": moved("algorithm.filter.key"),
  "algorithm.filter_low": moved("algorithm.filter.low"),
  "algorithm.filter_high": moved("algorithm.filter.high"),
  // token is left to `compat`, which decides between the whole batch's mean and the published one.
  "algorithm.loss_avg_mode": renamed("algorithm.lossAvgMode", { token: null, seq: "seq" }),
  "algorithm.use_kl_prcp": switched("algorithm.klPrcp.enabled"),
  "algorithm.contrastive_type": only(["augmented"], "it is the only type that the reference has"),
  "algorithm.kl_prcp_schedule": moved("algorithm.klPrcp.schedule"),
  "algorithm.kl_prcp_schedule_args.start_value": moved("algorithm.klPrcp.annealing.start"),
  "algorithm.kl_prcp_schedule_args.end_value": moved("algorithm.klPrcp.annealing.end"),
  "algorithm.kl_prcp_schedule_args.annealing_ratio": moved("algorithm.klPrcp.annealing.ratio"),
  "algorithm.kl_prcp_penalty": renamed("algorithm.klPrcp.estimator", estimators),
  "algorithm.kl_prcp_coef": moved("algorithm.klPrcp.coef"),
  "algorithm.kl_prcp_apply_mode": renamed("algorithm.klPrcp.applyMode", {
    all: "all",
    correct: "correct",
    correct_only: "correct",
    incorrect: "incorrect",
    incorrect_only: "incorrect",
    weighted: "weighted",
  }),
  "algorithm.incorrect_weighting": joint,
  "algorithm.aug_config.patch_size": moved("aug.patchPx"),
  "algorithm.aug_config.black_prob": moved("aug.ratio"),
  "algorithm.use_aug_entropy_loss": joint,
  "algorithm.aug_entropy_loss_coef": joint,
  "algorithm.use_ori_entropy_loss": joint,
  "algorithm.ori_entropy_loss_coef": joint,
  "algorithm.use_kl_prcp_clipping": joint,
  "algorithm.kl_prcp_clipping": joint,
  "algorithm.use_kl_prcp_token_level_mask": joint,
  "algorithm.kl_prcp_token_level_mask_top_p": joint,
  "algorithm.use_sft_loss": joint,
  "algorithm.sft_loss_coef": joint,
};

/** PPOConfig.post_init copies these from algorithm over the actor's own. */
const copiedOverActor = (
  "loss_avg_mode disable_kl use_kl_loss kl_penalty kl_coef use_kl_prcp kl_prcp_penalty kl_prcp_coef " +
  "kl_prcp_apply_mode kl_prcp_schedule use_aug_entropy_loss aug_entropy_loss_coef use_ori_entropy_loss " +
  "ori_entropy_loss_coef use_kl_prcp_clipping kl_prcp_clipping use_kl_prcp_token_level_mask " +
  "kl_prcp_token_level_mask_top_p use_sft_loss sft_loss_coef"
).split(" ");

const actorKeys: Record<string, ReferenceKey> = {
  "worker.hybrid_engine": only([true], "the reference has nothing else"),
  "worker.actor.strategy": sharding,
  "worker.actor.global_batch_size": moved("optim.globalBatchSize"),
  "worker.actor.micro_batch_size_per_device_for_update": moved("optim.microBatchSize"),
  "worker.actor.micro_batch_size_per_device_for_experience": ignored("scoring packs by optim.microBatchTokens"),
  "worker.actor.max_grad_norm": moved("optim.maxGradNorm"),
  "worker.actor.clip_ratio_low": moved("algorithm.clipRatioLow"),
  "worker.actor.clip_ratio_high": moved("algorithm.clipRatioHigh"),
  "worker.actor.clip_ratio_dual": moved("algorithm.clipRatioDual"),
  ...Object.fromEntries(copiedOverActor.map((key) => [`worker.actor.${key}`, overwritten(key)])),
  "worker.actor.ppo_epochs": moved("algorithm.epochs"),
  "worker.actor.padding_free": ignored("batches are never padded"),
  "worker.actor.ulysses_size": sharding,
  "worker.actor.use_torch_compile": ignored("kernels are compiled ahead"),
  "worker.actor.model.model_path": moved("model.path"),
  "worker.actor.model.tokenizer_path": moved("model.tokenizerPath"),
  "worker.actor.model.override_config": only([], "a checkpoint's own configuration is used as it is"),
  // On means that memory is to be saved; how much has to be, the reference cannot tell.
  "worker.actor.model.enable_gradient_checkpointing": {
    to: "model.activationCheckpoint",
    convert: (value) => ({ value: truth(value) === true ? "auto" : truth(value) }),
  },
  "worker.actor.model.trust_remote_code": ignored("code of a checkpoint is never run"),
  "worker.actor.model.freeze_vision_tower": switched("model.freezeVisionTower"),
  "worker.actor.optim.lr": moved("optim.lr"),
  "worker.actor.optim.betas": moved("optim.betas"),
  "worker.actor.optim.weight_decay": moved("optim.weightDecay"),
  "worker.actor.optim.strategy": moved("optim.strategy"),
  "worker.actor.optim.lr_warmup_ratio": moved("optim.warmupRatio"),
  "worker.actor.optim.lr_warmup_steps": moved("optim.warmupSteps"),
  "worker.actor.optim.min_lr_ratio": neverRead("its learning rate is constant after the warm-up"),
  "worker.actor.optim.warmup_style": neverRead("its warm-up is linear"),
  "worker.actor.fsdp.torch_dtype": renamed("model.dtype", {
    null: "float32",
    fp32: "float32",
    float32: "float32",
    bf16: "bfloat16",
    bfloat16: "bfloat16",
  }),
};

const fsdpKeys =
  "enable_full_shard enable_cpu_offload enable_rank0_init use_orig_params fsdp_size mp_param_dtype mp_reduce_dtype mp_buffer_dtype";
for (const worker of ["worker.actor", "worker.ref"]) {
  for (const key of fsdpKeys.split(" ")) actorKeys[`${worker}.fsdp.${key}`] = sharding;
  for (const key of ["offload_params", "offload_optimizer"]) actorKeys[`${worker}.offload.${key}`] = sharding;
}
for (const key of [
  "strategy",
  "fsdp.torch_dtype",
  "micro_batch_size_per_device_for_experience",
  "padding_free",
  "ulysses_size",
  "use_torch_compile",
]) {
  actorKeys[`worker.ref.${key}`] = sharding;
}

const rolloutKeys: Record<string, ReferenceKey> = {
  "worker.rollout.name": engine,
  "worker.rollout.n": moved("rollout.n"),
  "worker.rollout.temperature": moved("rollout.temperature"),
  "worker.rollout.top_p": moved("rollout.topP"),
  "worker.rollout.top_k": moved("rollout.topK"),
  "worker.rollout.seed": ignored("data.seed is the root of all random numbers"),
  "worker.rollout.ignore_eos": only([false], "a response ends at its stop token"),
  "worker.rollout.prompt_length": ignored("the reference overwrites it with data.max_prompt_length"),
  "worker.rollout.response_length": ignored("the reference overwrites it with data.max_response_length"),
  "worker.rollout.val_override_config.n": moved("rollout.val.n"),
  "worker.rollout.val_override_config.temperature": moved("rollout.val.temperature"),
  "worker.rollout.val_override_config.top_p": moved("rollout.val.topP"),
  "worker.rollout.val_override_config.top_k": moved("rollout.val.topK"),
  "worker.reward.reward_type": ignored("rewards are computed in batches"),
  "worker.reward.reward_function": jointly("reward.type"),
  "worker.reward.reward_function_kwargs.format_weight": jointly("reward.formatWeight"),
  "worker.reward.skip_special_tokens": only([true], "rewards read the text without special tokens"),
  "worker.reward.num_cpus": cluster,
};
const engineKeys =
  "limit_images dtype gpu_memory_utilization enforce_eager enable_chunked_prefill tensor_parallel_size max_model_len " +
  "max_num_batched_tokens disable_log_stats disable_tqdm";
for (const key of engineKeys.split(" ")) rolloutKeys[`worker.rollout.${key}`] = engine;

const trainerKeys: Record<string, ReferenceKey> = {
  "trainer.total_epochs": moved("trainer.totalEpochs"),
  "trainer.max_steps": moved("trainer.maxSteps"),
  "trainer.project_name": ignored("runs are folders"),
  "trainer.experiment_name": moved("trainer.experimentName"),
  "trainer.logger": ignored("metrics go where trainer.loggers says"),
  "trainer.nnodes": cluster,
  "trainer.n_gpus_per_node": cluster,
  "trainer.max_try_make_batch": moved("algorithm.filter.maxTries"),
  "trainer.critic_warmup": only([0], "papo has no critic"),
  "trainer.val_freq": positive("trainer.valFreq"),
  "trainer.val_before_train": switched("trainer.valBeforeTrain"),
  "trainer.val_only": switched("trainer.valOnly"),
  "trainer.val_generations_to_log": ignored("trainer.samplesPerStep groups are written out"),
  "trainer.save_freq": positive("trainer.saveFreq"),
  "trainer.save_limit": positive("trainer.saveLimit"),
  "trainer.save_model_only": switched("trainer.saveModelOnly"),
  "trainer.save_checkpoint_path": moved("trainer.outDir"),
  "trainer.load_checkpoint_path": only([null], "continue a run with --resume"),
  "trainer.save_best_checkpoint": neverRead("it always keeps the best checkpoint"),
};

/** Every key of the reference that papo knows. */
export const referenceKeys: ReadonlyMap<string, ReferenceKey> = new Map(
  [dataKeys, algorithmKeys, actorKeys, rolloutKeys, trainerKeys].flatMap((keys) => Object.entries(keys)),
);

/** Arguments of the reward function, which a function of the user's own names. */
export const rewardArguments = "worker.reward.reward_function_kwargs";

/** What a key of the reference is here: by its name, or by the part of the reference that it is in. */
export function ruleOf(key: string): ReferenceKey | undefined {
  if (key === "worker.critic" || key.startsWith("worker.critic.")) return noCritic;
  return referenceKeys.get(key) ?? (key.startsWith(`${rewardArguments}.`) ? joint : undefined);
}

/** What to say about a key of the reference in one of papo's own files; undefined for other keys. */
export function papoNameHint(key: string): string | undefined {
  const rule = ruleOf(key);
  if (rule === undefined) return undefined;
  const name = "to" in rule ? rule.to : "joint" in rule ? rule.means : undefined;
  return name === undefined ? " (a key of the reference, not of papo)" : ` (the reference's name of ${name})`;
}
