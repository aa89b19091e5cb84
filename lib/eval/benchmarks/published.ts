// The paper's nine columns, as data. Rows: counted by third parties in the published data; see docs/evaluation.md. The filters
// that the paper names (no free-form items of MathVista, multiple choice of MathVerse, MMMU-Pro's vision setting) are
// applied in that data already.
import type { BenchmarkGroup } from "./benchmark.ts";

export interface PublishedColumn {
  readonly id: string;
  /** As in the paper's Table 1. */
  readonly name: string;
  readonly group: BenchmarkGroup;
  readonly rows: number;
  /** Split of PAPO-Galaxy/PAPO_eval; undefined where the set is not in it. */
  readonly split?: string;
  /** Files of data/papo in a prepared PAPO-Eval, the first that is there; its tools name two sets differently. */
  readonly files: readonly string[];
  /** The hub's data set with the rows in columns. */
  readonly hub?: string;
  readonly note?: string;
}

export const evalRepository = "PAPO-Galaxy/PAPO_eval";

export const publishedColumns: readonly PublishedColumn[] = [
  {
    id: "geo3k",
    name: "Geo3k",
    group: "general",
    rows: 601,
    split: "hiyouga_geometry3k",
    files: ["hiyouga_geometry3k.json"],
    note: "172 of its pictures are in Geometry3K's training set",
  },
  {
    id: "mathvista",
    name: "MathVista",
    group: "general",
    rows: 1000,
    split: "AI4Math_MathVista",
    files: ["AI4Math_MathVista.json"],
    note: "without free-form items",
  },
  {
    id: "we-math",
    name: "We-Math",
    group: "general",
    rows: 1740,
    split: "We_Math",
    files: ["We_Math.json", "We-Math_We-Math.json"],
  },
  {
    id: "mmk12",
    name: "MMK12",
    group: "general",
    rows: 2000,
    files: ["PAPO_MMK12.json"],
    hub: "PAPOGalaxy/PAPO_MMK12_test",
  },
  {
    id: "mathverse",
    name: "MathVerse",
    group: "general",
    rows: 2180,
    split: "AI4Math_MathVerse",
    files: ["AI4Math_MathVerse.json"],
    note: "multiple choice only",
  },
  {
    id: "logicvista",
    name: "LogicVista",
    group: "vision-dependent",
    rows: 447,
    split: "lscpku_LogicVista",
    files: ["lscpku_LogicVista.json"],
  },
  {
    id: "counting",
    name: "Counting",
    group: "vision-dependent",
    rows: 200,
    split: "BUAADreamer_clevr_count_70k",
    files: ["BUAADreamer_clevr_count_70k.json"],
  },
  {
    id: "mmmu-pro",
    name: "MMMU-Pro",
    group: "vision-dependent",
    rows: 1730,
    split: "MMMU_MMMU_Pro",
    files: ["MMMU_MMMU_Pro.json"],
    note: "vision setting: the question is in the picture",
  },
  {
    id: "mathverse-v",
    name: "MathVerse_V",
    group: "vision-dependent",
    rows: 1308,
    split: "AI4Math_MathVerse_vision_dependent",
    files: ["AI4Math_MathVerse_vision_dependent.json", "AI4Math_MathVerse-vision-dependent.json"],
    note: "the versions of MathVerse whose text does not say what the picture shows",
  },
];
