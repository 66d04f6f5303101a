/**
 * Lists where JSON that was printed is not as a page shows it: the same keys everywhere, and the same
 * values, but for those of `varies`, which only are of the same type. "…" in a text that is shown
 * stands for anything.
 */
export function differences(
  shown: unknown,
  printed: unknown,
  varies: readonly string[],
  path = "",
): string[] {
  if (isObject(shown) && isObject(printed)) {
    const keys = [...new Set([...Object.keys(shown), ...Object.keys(printed)])];
    return keys.flatMap((key) => {
      const at = `${path}.${key}`;
      if (!(key in printed)) return [`${at} is shown, and is not printed`];
      if (!(key in shown)) return [`${at} is printed, and is not shown`];
      if (varies.includes(key) && typeof shown[key] === typeof printed[key]) return [];
      return differences(shown[key], printed[key], varies, at);
    });
  }
  if (typeof shown === "string" && typeof printed === "string" && matches(shown, printed)) {
    return [];
  }
  if (JSON.stringify(shown) === JSON.stringify(printed)) return [];
  return [`${path} is shown as ${JSON.stringify(shown)}, and is ${JSON.stringify(printed)}`];
}

function matches(shown: string, printed: string): boolean {
  const parts = shown.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`).test(printed);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
