// deno-lint-ignore no-explicit-any -- configurations, of any shape
type Any = any;

/** Returns a copy with a value at a path of keys; what leads there is made where it is missing. */
export function withValue(config: Any, [key, ...rest]: string[], value: Any): Any {
  const copy = Array.isArray(config) ? [...config] : { ...config };
  const inner = copy[key!] ?? (/^\d+$/.test(rest[0] ?? "") ? [] : {});
  copy[key!] = rest.length === 0 ? value : withValue(inner, rest, value);
  return copy;
}
