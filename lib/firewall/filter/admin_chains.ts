/**
 * The administrators' chains that are asked before containers' packets are let through, as they are
 * noted on disk. One that an administrator had made before is his, empty or not.
 *
 * @module
 */
import { RecordStore } from "../../state/record_store.ts";
import { NOTES_DIRECTORY } from "../notes/lock.ts";
import { fieldsOf, textOf } from "../notes/note_store.ts";

/** A chain of iptables' table `filter`. */
export interface AdminChain {
  family: 4 | 6;
  chain: string;
}

/** A chain that is asked, and whether it was made for that. */
export interface NotedAdminChain extends AdminChain {
  made: boolean;
}

/** Notes that a chain is asked. @param made whether it was not there before */
export function noteAdminChain({ family, chain }: AdminChain, made: boolean): void {
  if (readAdminChain({ family, chain })) return;
  store().write(nameOf({ family, chain }), { family, chain, made });
}

/** What is noted of a chain. */
export function readAdminChain(chain: AdminChain): NotedAdminChain | undefined {
  return store().read(nameOf(chain));
}

/** Notes that a chain is no longer asked. */
export function dropAdminChain(chain: AdminChain): void {
  store().remove(nameOf(chain));
}

function nameOf({ family, chain }: AdminChain): string {
  return `${chain}-${family}`;
}

function store(): RecordStore<NotedAdminChain> {
  return new RecordStore<NotedAdminChain>({
    directory: NOTES_DIRECTORY,
    suffix: ".chain.json",
    what: "an administrator's chain",
    format: 1,
    encode: ({ family, chain, made }) => ({ family, chain, made }),
    decode: (value) => {
      const fields = fieldsOf(value, ["family", "chain", "made"]);
      const family = fields.integer("family", 4);
      if (family !== 4 && family !== 6) throw fields.mismatch("family", "4 or 6");
      return { family, chain: textOf(fields, "chain"), made: fields.values.made === true };
    },
  });
}
