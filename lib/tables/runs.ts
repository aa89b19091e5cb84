// The trainings that tables are made of, each under one name in all tables, so that none runs twice.

export type Scale = "paper" | "mini";

export interface NeededRun {
  /** The run's name, and with the size its identity in results. Equal names and sizes are one run. */
  readonly method: string;
  readonly size: string;
  /** A name of lib/recipes; null: the model as it is before training. */
  readonly recipe: string | null;
  /** `key=value` words over the recipe, as `papo train` takes them. */
  readonly overrides: readonly string[];
  /** Why papo cannot run it; its row is filled by results from elsewhere alone. */
  readonly blocked?: string;
}

/** A row of a table: a run under the label that the table gives it. */
export interface RowRun extends NeededRun {
  readonly label: string;
  /** Label of the row of the same size that its gains are over. */
  readonly baseline?: string;
}

/** A run as a table's row. */
export function row(run: NeededRun, label: string, baseline?: string): RowRun {
  return { ...run, label, ...(baseline === undefined ? {} : { baseline }) };
}

type PaperSize = "3B" | "7B";
const recipeOf = (size: PaperSize, method: string) => `qwen2_5_vl_${size.toLowerCase()}_${method}`;
const gamma = (value: string) => `algorithm.klPrcp.coef=${value}`;
const noReference = "algorithm.klRef.mode=off";
/** η 1 alone: as published, η 2 is on a constant, and a run that sets it without a gradient is refused. */
const oriEntropy = (eta: string) => ["algorithm.entropy.augCoef=0", `algorithm.entropy.oriCoef=${eta}`];
const noEntropy = oriEntropy("0");
/** Both, or the masked picture's alone, with the gradient through the masked branch that the published code lacks. */
const recompute = "aug.grad=recompute";
const doubleEntropy = ["algorithm.entropy.augCoef=0.05", "algorithm.entropy.oriCoef=0.05"];
const augEntropy = [recompute, "algorithm.entropy.augCoef=0.05", "algorithm.entropy.oriCoef=0"];

const bySaliency = "aug.strategy=saliency";

function paperRun(size: PaperSize, method: string, recipe: string, overrides: readonly string[] = []): NeededRun {
  return { method, size, recipe: recipeOf(size, recipe), overrides };
}

/** The published trainings, and those without a published script from what the paper says of them. */
export const paperRuns = {
  untrained: (size: PaperSize): NeededRun => ({ method: "untrained", size, recipe: null, overrides: [] }),
  grpo: (size: PaperSize) => paperRun(size, "grpo", "grpo"),
  papoG: (size: PaperSize) => paperRun(size, "papo_g", "grpo_papo"),
  dapo: (size: PaperSize) => paperRun(size, "dapo", "dapo"),
  papoD: (size: PaperSize) => paperRun(size, "papo_d", "dapo_papo"),
  /** Without entropy terms. The 3B recipe has γ = 0.02 and none, so that this is `papoG` there. */
  papoGGamma: (size: PaperSize, value: string) =>
    size === "3B" && value === "0.02"
      ? paperRuns.papoG(size)
      : paperRun(size, `papo_g-gamma${value}`, "grpo_papo", [gamma(value), ...noEntropy]),
  /** Random masks of another ratio than 0.6. */
  papoGRatio: (size: PaperSize, value: string, ratio: string) =>
    paperRun(size, `papo_g-gamma${value}-ratio${ratio}`, "grpo_papo", [
      gamma(value),
      ...noEntropy,
      `aug.ratio=${ratio}`,
    ]),
  /** The paper names no size of DINOv2. */
  papoGSemantic: (size: PaperSize) =>
    paperRun(size, "papo_g-gamma0.01-semantic", "grpo_papo", [
      gamma("0.01"),
      ...noEntropy,
      bySaliency,
      "aug.saliency.model=facebook/dinov2-base",
    ]),
  papoGLargerBeta: (size: PaperSize): NeededRun => ({
    ...paperRun(size, "papo_g-larger-beta", "grpo_papo", noEntropy),
    blocked: "the larger β is not published",
  }),
  /** The published 7B run, its masked branch with a gradient, so that both entropy terms act. */
  papoGRecompute: (size: "7B") => paperRun(size, "papo_g-recompute", "grpo_papo-recompute"),
  papoGAugEntropy: (size: PaperSize) => paperRun(size, "papo_g-aug-entropy", "grpo_papo", augEntropy),
  papoGEta: (size: PaperSize, eta: string) => paperRun(size, `papo_g-eta${eta}`, "grpo_papo", oriEntropy(eta)),
  grpoNoReference: (size: PaperSize) => paperRun(size, "grpo-no_kl_ref", "grpo", [noReference]),
  papoGNoReference: (size: PaperSize) => paperRun(size, "papo_g-no_kl_ref", "grpo_papo_no_kl_ref"),
  papoGNoReferenceWith: (size: PaperSize, name: string, overrides: readonly string[]) =>
    paperRun(size, `papo_g-no_kl_ref-${name}`, "grpo_papo_no_kl_ref", overrides),
  dapoEntropy: (size: PaperSize) => paperRun(size, "dapo-ori-entropy", "dapo", ["algorithm.entropy.oriCoef=0.03"]),
  noisyRollout: (method: "grpo" | "papo_g"): NeededRun => ({
    ...paperRun("3B", `${method}-noisyrollout`, method === "grpo" ? "grpo" : "grpo_papo"),
    blocked: "the settings of NoisyRollout are not published",
  }),
  qwen3: (method: "grpo" | "papo_g"): NeededRun => ({
    ...{ method, size: "Qwen3-VL-2B", overrides: [], blocked: "Qwen3-VL is not supported yet" },
    recipe: method === "grpo" ? "qwen3_vl_2b_grpo" : "qwen3_vl_2b_grpo_papo",
  }),
};

function miniRun(method: string, recipe: string, overrides: readonly string[] = []): NeededRun {
  return { method, size: "mini", recipe: `miniature-${recipe}`, overrides };
}

function miniPapoG(method: string, overrides: readonly string[] = []): NeededRun {
  return miniRun(method, "papo", [gamma(miniGamma), ...overrides]);
}

/** Towards the end one question in fifteen still has right and wrong responses, in the published 20 rounds too few. */
function miniDapo(method: string, recipe: string, overrides: readonly string[] = []): NeededRun {
  return miniRun(method, recipe, ["algorithm.filter.maxTries=60", ...overrides]);
}

function miniCollapsing(name: string, overrides: readonly string[] = []): NeededRun {
  return miniRun(`papo_g-gamma${miniLargeGamma}-${name}`, "papo", [gamma(miniLargeGamma), recompute, ...overrides]);
}

/** The γ of the miniature, a too large one, and all of Table 4: chosen by the scan that docs/miniature-study.md tells of. */
export const miniGamma = "0.3";
export const miniLargeGamma = "10";
export const miniGammas = ["0.01", "0.1", miniGamma, "1", miniLargeGamma] as const;

/** The same trainings in the miniature world. */
export const miniRuns = {
  grpo: miniRun("grpo", "grpo"),
  papoG: miniPapoG("papo_g"),
  dapo: miniDapo("dapo", "dapo"),
  papoD: miniDapo("papo_d", "dapo-papo", [gamma(miniGamma)]),
  papoGGamma: (value: string) =>
    value === miniGamma ? miniRuns.papoG : miniRun(`papo_g-gamma${value}`, "papo", [gamma(value)]),
  papoGRatio: (ratio: string) =>
    ratio === "0.6" ? miniRuns.papoG : miniPapoG(`papo_g-ratio${ratio}`, [`aug.ratio=${ratio}`]),
  /** Saliency by the policy's own vision tower. */
  papoGSemantic: miniPapoG("papo_g-semantic", [bySaliency]),
  /**
   * With the gradient through the masked branch too. Without it no γ up to the large one makes a run collapse: the policy is
   * so sure of its tokens that the perception loss has next to no gradient left.
   */
  papoGCollapsed: miniCollapsing("recompute"),
  papoGEntropy: (name: string, overrides: readonly string[]) => miniCollapsing(name, overrides),
  papoGEta: (eta: string) => miniRuns.papoGEntropy(`eta${eta}`, oriEntropy(eta)),
  papoGDoubleEntropy: () => miniRuns.papoGEntropy("double-entropy", doubleEntropy),
  papoGAugEntropy: () => miniRuns.papoGEntropy("aug-entropy", augEntropy),
  papoGLargerBeta: () => miniRuns.papoGEntropy("larger-beta", ["algorithm.klRef.coef=0.05"]),
  grpoNoReference: miniRun("grpo-no_kl_ref", "grpo", [noReference]),
  papoGNoReference: (value: string = miniGamma) =>
    miniRun(`papo_g-no_kl_ref${value === miniGamma ? "" : `-gamma${value}`}`, "papo", [
      ...[noReference, gamma(value)],
      ...oriEntropy("0.03"),
    ]),
  papoGNoReferenceNoEntropy: miniPapoG("papo_g-no_kl_ref-no-entropy", [noReference]),
  dapoEntropy: miniDapo("dapo-ori-entropy", "dapo", ["algorithm.entropy.oriCoef=0.03"]),
};

export { gamma as gammaOverride, noEntropy as noEntropyOverrides };
