/**
 * Checks names that reach file paths, the kernel and other programs. Messages begin as those of the
 * Go library do, and the codes are the same.
 */
import type { Attachment } from "./attachment.ts";
import { CniError } from "./error.ts";
import { quote } from "./go_text.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const NAME_RULE = "a name starts with a letter or digit and goes on with letters, digits, _ . or -";

/**
 * Bytes that a container ID or network name may have. Caches and lock files are named after both,
 * together with an interface name, and a file name has 255 bytes at most.
 */
const MAX_NAME = 200;

function tooLong(name: string): string {
  return `${name.length} bytes, at most ${MAX_NAME} fit into the names of files`;
}

/** Checks a container ID. @throws {CniError} code 3 when empty, 4 for other violations */
export function validateContainerId(id: string): void {
  if (id === "") {
    throw CniError.unknownContainer("missing containerID: CNI_CONTAINERID must be set");
  }
  if (!NAME.test(id)) {
    throw CniError.invalidEnvironment(
      `invalid characters in containerID ${quote(id)}: ${NAME_RULE}`,
      id,
    );
  }
  if (id.length > MAX_NAME) {
    throw CniError.invalidEnvironment(`containerID is too long: ${tooLong(id)}`, id);
  }
}

/** Checks a network's name. @throws {CniError} code 7 */
export function validateNetworkName(name: string): void {
  if (name === "") throw CniError.invalidConfig('missing network name: "name" must be set');
  if (!NAME.test(name)) {
    throw CniError.invalidConfig(
      `invalid characters found in network name ${quote(name)}: ${NAME_RULE}`,
      name,
    );
  }
  if (name.length > MAX_NAME) {
    throw CniError.invalidConfig(`network name is too long: ${tooLong(name)}`, name);
  }
}

/** Bytes of an interface's name, and of an alternative one: `linux/if.h`, without the NUL. */
const IF_NAME_BYTES = 15;
/** @see IF_NAME_BYTES */
export const ALT_IF_NAME_BYTES = 127;

/**
 * Checks an interface's name by the kernel's rule (dev_valid_name in net/core/dev.c). Refuses also
 * NUL, which would end the name early, and `%`, which makes it a pattern: `eth%d` becomes `eth0`.
 *
 * @param maxBytes {@link ALT_IF_NAME_BYTES} for the name of an interface that is there already
 * @throws {CniError} code 4
 */
export function validateIfName(name: string, maxBytes = IF_NAME_BYTES): void {
  if (name === "") {
    throw CniError.invalidEnvironment("interface name is empty");
  }
  if (new TextEncoder().encode(name).length > maxBytes) {
    throw CniError.invalidEnvironment(
      `interface name is too long: ${quote(name)}`,
      `interface name should be less than ${maxBytes + 1} characters`,
    );
  }
  if (name === "." || name === "..") {
    throw CniError.invalidEnvironment(`interface name is . or ..: ${quote(name)}`);
  }
  // U+0085 is white space to Go, not to JavaScript.
  if (/[/:\s\u0085\0]/.test(name)) {
    throw CniError.invalidEnvironment(
      `interface name contains / or : or whitespace characters${
        name.includes("\0") ? " or NUL" : ""
      }: ${quote(name)}`,
    );
  }
  if (name.includes("%")) {
    throw CniError.invalidEnvironment(
      `interface name contains %, for which the kernel would put a number: ${quote(name)}`,
    );
  }
}

/**
 * Checks a plugin's type, which is the name of a file in CNI_PATH and never a path.
 *
 * @throws {CniError} code 7
 */
export function validatePluginType(type: string): void {
  if (type === "") throw CniError.invalidConfig('no plugin name provided: "type" must be set');
  if (/[/\0]/.test(type) || type === "." || type === "..") {
    throw CniError.invalidConfig(
      `invalid plugin name: ${quote(type)} must be the name of a file in CNI_PATH, not a path`,
      type,
    );
  }
}

/** Checks the parts of an attachment. @throws {CniError} code 3, 4 or 7 naming the invalid part */
export function validateAttachment({ network, containerId, ifName }: Attachment): void {
  validateNetworkName(network);
  validateContainerId(containerId);
  validateIfName(ifName);
}
