// The reference's four YAML files, typed from the documented keys, and what its run scripts pass.

interface Parts {
  readonly advantage: "grpo" | "dapo";
  readonly papo: boolean;
}

const perception = `
  use_kl_prcp: true
  contrastive_type: augmented
  kl_prcp_schedule: fixed
  kl_prcp_schedule_args:
    start_value: 1e-2
    end_value: 0.0
    annealing_ratio: 0.5
  kl_prcp_penalty: low_var_kl
  kl_prcp_coef: 1.0e-2
  kl_prcp_apply_mode: all
  aug_config:
    patch_size: 14
    black_prob: 0.6
  incorrect_weighting: 0.1
  use_aug_entropy_loss: false
  aug_entropy_loss_coef: 0.03
  use_ori_entropy_loss: false
  ori_entropy_loss_coef: 0.03
`;

const plain = `
  use_ori_entropy_loss: false
  ori_entropy_loss_coef: 1e-5
`;

/** Text of config_grpo, config_grpo_papo, config_dapo or config_dapo_papo. */
export function referenceYaml({ advantage, papo }: Parts): string {
  const isDapo = advantage === "dapo";
  return `data:
  train_files: PAPOGalaxy/PAPO_ViRL39K_train
  val_files: PAPOGalaxy/PAPO_MMK12_test
  prompt_key: problem
  answer_key: answer
  image_key: images
  video_key: videos
  image_dir: null
  video_fps: 2.0
  max_prompt_length: ${isDapo || papo ? 4096 : 2048}
  max_response_length: 2048
  rollout_batch_size: 512
  ${isDapo ? "mini_rollout_batch_size: 128" : "# no filtering"}
  val_batch_size: 1024
  format_prompt: ./examples/format_prompt/math_perception.jinja
  override_chat_template: null
  shuffle: true
  seed: 1
  max_pixels: 1003520
  min_pixels: 200704
  filter_overlong_prompts: true

algorithm:
  adv_estimator: ${advantage}
  disable_kl: ${isDapo}
  use_kl_loss: true
  kl_penalty: low_var_kl
  kl_coef: 1.0e-2
  online_filtering: ${isDapo}
  filter_key: overall
  filter_low: 0.01
  filter_high: 0.99
${papo ? perception : plain}
worker:
  actor:
    global_batch_size: 128
    micro_batch_size_per_device_for_update: 4
    micro_batch_size_per_device_for_experience: 16
    max_grad_norm: 1.0
    padding_free: true
    ulysses_size: 1
    model:
      model_path: Qwen/Qwen2.5-3B-Instruct
      enable_gradient_checkpointing: true
      trust_remote_code: true
      freeze_vision_tower: false
    optim:
      lr: 1.0e-6
      weight_decay: 1.0e-2
      strategy: adamw_bf16
      lr_warmup_ratio: 0.0
    fsdp:
      enable_full_shard: true
      enable_cpu_offload: false
      enable_rank0_init: true
      torch_dtype: bf16
    offload:
      offload_params: true
      offload_optimizer: true
  rollout:
    n: 5
    temperature: 1.0
    top_p: 0.99
    limit_images: 0
    gpu_memory_utilization: 0.6
    enforce_eager: false
    enable_chunked_prefill: false
    tensor_parallel_size: 2
    val_override_config:
      temperature: 1.0
      n: 8
  ref:
    fsdp:
      enable_full_shard: true
      enable_cpu_offload: true
      enable_rank0_init: true
      torch_dtype: bf16
    offload:
      offload_params: false
  reward:
    reward_type: batch
    reward_function: ./examples/reward_function/math.py:compute_score

trainer:
  total_epochs: 15
  max_steps: null
  project_name: easy_r1
  experiment_name: demo
  logger: ["console", "wandb"]
  nnodes: 1
  n_gpus_per_node: 8
  max_try_make_batch: 20
  val_freq: 5
  val_before_train: true
  val_only: false
  val_generations_to_log: 3
  save_freq: 5
  save_limit: 3
  save_model_only: false
  save_checkpoint_path: null
  load_checkpoint_path: null
  save_best_checkpoint: true
`;
}

/** What every run script passes. */
export function scriptOverrides(model: string, experiment: string): string[] {
  return [
    "data.rollout_batch_size=384",
    "worker.actor.global_batch_size=128",
    "trainer.total_epochs=2",
    "data.max_prompt_length=4096",
    "worker.rollout.tensor_parallel_size=1",
    "data.train_files=PAPOGalaxy/PAPO_ViRL39K_train",
    "data.val_files=PAPOGalaxy/PAPO_MMK12_test",
    "data.format_prompt=./examples/format_prompt/math_perception.jinja",
    "worker.reward.reward_function=./examples/reward_function/math.py:compute_score",
    `worker.actor.model.model_path=${model}`,
    `trainer.experiment_name=${experiment}`,
    "trainer.n_gpus_per_node=2",
  ];
}

/** What the DAPO scripts pass beside that. */
export const dapoOverrides = [
  "data.mini_rollout_batch_size=128",
  "worker.actor.clip_ratio_low=0.2",
  "worker.actor.clip_ratio_high=0.28",
  "algorithm.disable_kl=true",
  "algorithm.online_filtering=true",
  "algorithm.filter_key=accuracy",
  "algorithm.filter_low=0.01",
  "algorithm.filter_high=0.99",
];

export function entropyOverrides(coef: number): string[] {
  return [
    "algorithm.use_aug_entropy_loss=true",
    `algorithm.aug_entropy_loss_coef=${coef}`,
    "algorithm.use_ori_entropy_loss=true",
    `algorithm.ori_entropy_loss_coef=${coef}`,
  ];
}
