import { type JsonNode, offsetOf, positionOf } from "./json_tree.ts";
import type { JsonObject } from "../../types/json.ts";

/** `error`: it will fail, or is never read. `warning`: it is probably not what was meant. */
export type Severity = "error" | "warning";

/** Something that is wrong with a configuration file. */
export interface Finding {
  severity: Severity;
  file: string;
  /** From 1 on; absent where it is about the whole file. */
  line?: number;
  /** In characters, from 1 on. */
  column?: number;
  message: string;
}

/** Formats `FILE:LINE:COLUMN: error: MESSAGE`, as compilers print it and editors read it. */
export function findingLine({ severity, file, line, column, message }: Finding): string {
  return `${
    [file, line, column].filter((part) => part !== undefined).join(":")
  }: ${severity}: ${message}`;
}

/** A file that is JSON, and what is found in it. */
export class Document {
  readonly findings: Finding[] = [];

  constructor(
    readonly file: string,
    readonly text: string,
    readonly tree: JsonNode,
    readonly raw: JsonObject,
  ) {}

  /** Notes what is wrong with the value that a path leads to, or with its key. */
  note(
    severity: Severity,
    path: readonly PropertyKey[],
    message: string,
    where: "key" | "value" = "value",
  ): void {
    this.noteAt(severity, offsetOf(this.tree, path, where), message);
  }

  /** Notes what is wrong at an offset of the text. */
  noteAt(severity: Severity, offset: number, message: string): void {
    const position = positionOf(this.text, offset);
    this.findings.push({ severity, file: this.file, ...position, message });
  }
}
