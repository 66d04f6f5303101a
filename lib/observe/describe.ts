/** The names and details of spans. */
import type { Activity, ObservedRequest, Outcome } from "../runtime/observer.ts";
import type { RunOptions, RunOutput } from "../runtime/types.ts";
import { readMessage } from "./netlink_message.ts";
import type { Span } from "./span.ts";

/** What a span begins with. */
export type Description = Pick<Span, "kind" | "name" | "details">;

/** How many commands of a batch, or lines of a program's input, are listed at most. */
const MAX_LINES = 200;
/** Characters after which a text is cut. */
const MAX_CHARS = 1000;

/** Describes an activity. */
export function describe(activity: Activity): Description {
  switch (activity.kind) {
    case "operation":
      return describeOperation(activity.plugin, activity.environment);
    case "command":
      return { kind: "command", name: activity.name, details: {} };
    case "netlink":
      return describeRequest(activity.request);
    case "batch": {
      const { purpose, requests } = activity;
      return {
        kind: "batch",
        name: purpose,
        details: {
          messages: requests.length,
          commands: lines(requests.map((request) => request.purpose)),
        },
      };
    }
    case "dbus": {
      const { destination, member, args } = activity;
      return { kind: "dbus", name: `${destination} ${member}`, details: { args } };
    }
    case "http":
      return { kind: "http", name: withoutCredentials(activity.url), details: {} };
    case "lock":
      return { kind: "lock", name: activity.path, details: {} };
  }
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}

function describeOperation(
  plugin: string,
  environment: Readonly<Record<string, string>>,
): Description {
  const { CNI_COMMAND = "", CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS } = environment;
  return {
    kind: "operation",
    name: `${plugin} ${CNI_COMMAND}`,
    details: {
      plugin,
      command: CNI_COMMAND,
      container: CNI_CONTAINERID || undefined,
      interface: CNI_IFNAME || undefined,
      netns: CNI_NETNS || undefined,
    },
  };
}

function describeRequest(request: ObservedRequest): Description {
  const { name, flags, attributes } = readMessage(request);
  return { kind: "netlink", name, details: { purpose: request.purpose, flags, attributes } };
}

/** Describes a program, or a plugin that is executed. */
export function describeProgram(
  program: string,
  args: readonly string[],
  { passesObserver, stdin, env }: RunOptions,
): Description {
  if (passesObserver) {
    const name = program.slice(program.lastIndexOf("/") + 1);
    const command = env?.CNI_COMMAND ?? "";
    return { kind: "plugin", name: `${name} ${command}`, details: { file: program, command } };
  }
  const input = typeof stdin === "string" ? lines(stdin.trimEnd().split("\n")) : undefined;
  return { kind: "program", name: program, details: { args: args.map(cut), input } };
}

/** Reads how a program ended. */
export function programOutcome({ code, signal, timedOut }: RunOutput): Outcome {
  const details = { exitCode: code ?? undefined, signal: signal ?? undefined };
  if (code === 0) return { details };
  const how = code === null ? `killed by ${signal}` : `exit status ${code}`;
  return { details, error: timedOut ? `timed out: ${how}` : how };
}

function lines(texts: readonly string[]): string[] {
  const told = texts.slice(0, MAX_LINES).map(cut);
  const left = texts.length - told.length;
  return left > 0 ? [...told, `… and ${left} more`] : told;
}

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
}
