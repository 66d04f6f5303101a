/**
 * Validates network configurations before their use: each file, and the files of a directory
 * together.
 *
 * @module
 */
import type { Cni } from "../../libcni/cni.ts";
import { errnoCode, messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { isObject, parseJson } from "../../types/json.ts";
import { findJsonError } from "../../types/json_error.ts";
import { compareNetworks, configurationFiles, ignoredFiles } from "./directory.ts";
import { Document, type Finding } from "./finding.ts";
import { checkInstalled } from "./installed.ts";
import { parseTree, type Position, repeatedKeys } from "./json_tree.ts";
import type { ValidationTarget } from "./target.ts";
import { checkDocument, type CheckedNetwork } from "./list.ts";

/** The validated files, and the findings. */
export interface Validation {
  files: { file: string; network: string; findings: Finding[] }[];
}

/**
 * Validates configurations. Plugins are asked for the versions that they speak; nothing is changed.
 *
 * @param path directories that hold plugins
 */
export async function validate(
  { directory, file }: ValidationTarget,
  path: readonly string[],
  cni: Cni,
): Promise<Validation> {
  const together = directory === "" ? [] : configurationFiles(directory);
  const files = file === undefined || together.includes(file) ? together : [...together, file];
  const results: Validation["files"] = [];
  const networks: CheckedNetwork[] = [];
  for (const each of files) {
    const read = readDocument(each);
    if (!(read instanceof Document)) {
      results.push({ file: each, network: "", findings: [read] });
      continue;
    }
    const network = await checkDocument(read);
    networks.push(network);
    if (file === undefined || each === file) await checkInstalled(network, path, cni);
    results.push({ file: each, network: network.name, findings: read.findings });
  }
  compareNetworks(networks);
  if (file !== undefined) return { files: results.filter((result) => result.file === file) };
  const ignored = ignoredFiles(directory).map((finding) => ({
    file: finding.file,
    network: "",
    findings: [finding],
  }));
  return { files: [...results, ...ignored] };
}

function readDocument(file: string): Document | Finding {
  const fail = (message: string, position?: Position): Finding => ({
    severity: "error",
    file,
    ...position,
    message,
  });
  let text: string;
  try {
    text = runtime.files.readText(file);
  } catch (error) {
    return fail(`cannot read it: ${errnoCode(error) ?? messageOf(error)}`);
  }
  try {
    const raw = parseJson(text);
    if (!isObject(raw)) return fail("it must hold an object", { line: 1, column: 1 });
    const document = new Document(file, text, parseTree(text), raw);
    for (const { key, start } of repeatedKeys(document.tree)) {
      document.noteAt("warning", start, `"${key}" stands there twice: this one counts`);
    }
    return document;
  } catch (error) {
    // JSON that is nested too deeply, and numbers that are too large, have no position.
    if (!messageOf(error).startsWith("invalid JSON at ")) return fail(messageOf(error));
    const { message, ...position } = findJsonError(text);
    return fail(`invalid JSON: ${message}`, position);
  }
}
