/**
 * The notes on disk of administrators' chains, which come before packets of containers are
 * accepted. A chain that existed before is never deleted, empty or not.
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

/** An administrator's chain, and whether this plugin made it. */
export interface NotedAdminChain extends AdminChain {
  made: boolean;
}

/**
 * Notes that a rule leads to a chain. A note that is there stays, be it one that cannot be read now:
 * it says whether the chain was made, which nobody can tell later.
 * @param made whether the chain was created for the rule
 */
export function noteAdminChain({ family, chain }: AdminChain, made: boolean): void {
  const name = nameOf({ family, chain });
  const notes = store();
  if (!notes.has(name)) notes.write(name, { family, chain, made });
}

/** Reads the note of a chain. */
export function readAdminChain(chain: AdminChain): NotedAdminChain | undefined {
  return store().read(nameOf(chain));
}

/** Removes the note of a chain. */
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
