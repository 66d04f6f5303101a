/**
 * Reads OpenTelemetry's environment variables: the specification's "SDK Environment Variables" and
 * "OTLP Exporter Configuration".
 *
 * @module
 */
import { warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { HttpIdentity } from "../runtime/types.ts";

/** Where spans are sent, how, and the resource that sends them. */
export interface OtlpSettings {
  /** Where traces are posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly identity: HttpIdentity;
  /** Milliseconds that sending may take. */
  readonly timeoutMs: number;
  /** Resource attributes, `service.name` among them. */
  readonly resource: Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string>>;

/** A call waits for its collector no longer than this. Milliseconds. */
const MAX_TIMEOUT_MS = 100;

/**
 * Reads the settings; undefined where nothing is to be sent. A variable that cannot be understood
 * is reported on standard error.
 */
export function otlpSettings(environment: Environment): OtlpSettings | undefined {
  const { OTEL_SDK_DISABLED = "", OTEL_TRACES_EXPORTER = "" } = environment;
  if (OTEL_SDK_DISABLED.toLowerCase() === "true") return undefined;
  if (!["", "otlp"].includes(OTEL_TRACES_EXPORTER.trim())) return undefined;
  try {
    const url = tracesUrl(environment);
    if (url === undefined) return undefined;
    const protocol = ofTraces(environment, "PROTOCOL");
    if (protocol === "grpc") {
      throw new Error("OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and only HTTP is spoken here");
    }
    return {
      url,
      headers: readPairs(ofTraces(environment, "HEADERS")),
      identity: {
        ca: readFile(ofTraces(environment, "CERTIFICATE")),
        cert: readFile(ofTraces(environment, "CLIENT_CERTIFICATE")),
        key: readFile(ofTraces(environment, "CLIENT_KEY")),
      },
      timeoutMs: timeoutOf(ofTraces(environment, "TIMEOUT")),
      resource: resourceOf(environment),
    };
  } catch (error) {
    warn(`OpenTelemetry: ${messageOf(error)}; operations go on and are not told of\n`);
    return undefined;
  }
}

/** Reads the variable for traces, else the one for all signals; "" where neither is set. */
function ofTraces(environment: Environment, name: string): string {
  const value = environment[`OTEL_EXPORTER_OTLP_TRACES_${name}`] ||
    environment[`OTEL_EXPORTER_OTLP_${name}`] || "";
  return value.trim();
}

function readFile(path: string): string | undefined {
  return path === "" ? undefined : runtime.files.readText(path);
}

/** Returns the endpoint for traces as it is, else `/v1/traces` below that for all signals. */
function tracesUrl(environment: Environment): string | undefined {
  const own = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?.trim();
  const common = environment.OTEL_EXPORTER_OTLP_ENDPOINT?.trim();
  const text = own || (common ? `${common.replace(/\/+$/, "")}/v1/traces` : "");
  if (text === "") return undefined;
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
  throw new Error(`the endpoint ${JSON.stringify(own || common)} is no URL of http or https`);
}

function timeoutOf(text: string): number {
  const ms = Number(text);
  return text !== "" && ms > 0 ? Math.min(ms, MAX_TIMEOUT_MS) : MAX_TIMEOUT_MS;
}

function resourceOf({ OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES = "" }: Environment) {
  const attributes = readPairs(OTEL_RESOURCE_ATTRIBUTES);
  const name = OTEL_SERVICE_NAME || attributes["service.name"] || "cni";
  return { ...attributes, "service.name": name };
}

/** Reads `key=value,key=value`, whose values are percent-encoded (W3C Baggage). */
function readPairs(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => pair.trim()).filter((pair) => pair !== "");
  return Object.fromEntries(pairs.map((pair) => {
    const [, key = "", value = ""] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    if (key.trim() === "") throw new Error(`${JSON.stringify(pair)} is not like key=value`);
    return [key.trim(), decodeURIComponent(value.trim())];
  }));
}
