// Where the MLflow server is and how it is spoken to: the run's settings, then MLflow's own environment variables.
import { ConfigError } from "../errors.ts";

export interface MlflowSettings {
  /** http or https, without a slash at the end. */
  readonly uri: string;
  readonly experiment: string;
  /** The Authorization header; undefined for none. */
  readonly authorization: string | undefined;
}

interface Given {
  /** null: MLFLOW_TRACKING_URI. */
  readonly uri: string | null;
  /** null: MLFLOW_EXPERIMENT_NAME, or `papo`. */
  readonly experiment: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are how papo logs in.
 * @throws {ConfigError} when there is no address, or none of a server
 */
export function mlflowSettings({ uri, experiment }: Given, env: Environment = process.env): MlflowSettings {
  return {
    uri: checkUri(uri ?? filled(env.MLFLOW_TRACKING_URI)),
    experiment: experiment ?? filled(env.MLFLOW_EXPERIMENT_NAME) ?? "papo",
    authorization: authorization(env),
  };
}

function checkUri(uri: string | undefined): string {
  const rule = "expected the http or https address of an MLflow server";
  if (uri === undefined)
    throw new ConfigError("trainer.mlflow.uri", `${rule}, here or in MLFLOW_TRACKING_URI, got neither`);
  if (!/^https?:\/\/[^/]/u.test(uri) || !URL.canParse(uri))
    throw new ConfigError("trainer.mlflow.uri", `${rule}, got ${JSON.stringify(uri)}`);
  const { username, password } = new URL(uri);
  // It would be written into the run's record.
  if (username !== "" || password !== "")
    throw new ConfigError(
      "trainer.mlflow.uri",
      "expected an address without user and password; they belong into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    );
  return uri.replace(/\/+$/u, "");
}

function authorization(env: Environment): string | undefined {
  const token = filled(env.MLFLOW_TRACKING_TOKEN);
  const user = filled(env.MLFLOW_TRACKING_USERNAME);
  // As in MLflow's own client, a user goes before a token.
  if (user !== undefined)
    return `Basic ${Buffer.from(`${user}:${env.MLFLOW_TRACKING_PASSWORD ?? ""}`).toString("base64")}`;
  return token === undefined ? undefined : `Bearer ${token}`;
}

const filled = (value: string | undefined) => (value === undefined || value.trim() === "" ? undefined : value.trim());
