import type { Entry } from "./etcd/transaction.ts";
import { behind } from "./keys.ts";
import type { Session } from "./session.ts";

/** Keys that are read at a time. */
const PAGE = 500;

/** Reads every key of a range, page by page; each page has the client's whole timeout. */
export async function* readAll(
  session: Session,
  range: { get: string; end: string; keysOnly?: boolean },
): AsyncGenerator<Entry> {
  for (let from = range.get;;) {
    session.client.extend();
    const [page] = await session.read({ ...range, get: from, limit: PAGE });
    yield* page!.entries;
    const last = page!.entries.at(-1);
    if (!last || page!.count <= page!.entries.length) return;
    from = behind(last.key);
  }
}
