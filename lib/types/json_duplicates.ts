/**
 * Finds keys that occur more than once in one object. Parsing loses all but the last of each.
 *
 * @param text JSON that `parseJson` has read without complaint.
 * @returns The path of each such key, such as `["sysctl", "net.ipv4.ip_forward"]`; a list on the
 * path is `"[]"`.
 */
export function duplicateKeys(text: string): string[][] {
  const found: string[][] = [];
  const stack: { keys?: Set<string>; key: string; expectsKey: boolean }[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g)) {
    const top = stack.at(-1);
    if (token === "{") stack.push({ keys: new Set(), key: "", expectsKey: true });
    else if (token === "[") stack.push({ key: "[]", expectsKey: false });
    else if (token === "}" || token === "]") stack.pop();
    else if (token === ",") top!.expectsKey = top!.keys !== undefined;
    else if (top?.expectsKey) {
      // Escapes may spell one key in several ways.
      top.key = JSON.parse(token) as string;
      top.expectsKey = false;
      if (top.keys!.has(top.key)) found.push(stack.map(({ key }) => key));
      top.keys!.add(top.key);
    }
  }
  return found;
}
