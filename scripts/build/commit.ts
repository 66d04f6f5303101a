import { ProgramError, run } from "./run.ts";

/** The commit that a build is made of. */
export interface Commit {
  /** The whole hash; with `-dirty` after it where files differ from the commit. */
  id: string;
  /** When it was made, as RFC 3339 has it. */
  date: string;
}

/** Finds the commit of a checkout; undefined where there is none, or git is not installed. */
export async function findCommit(root: string): Promise<Commit | undefined> {
  try {
    const git = async (...args: string[]) =>
      (await run("git", ["-C", root, ...args])).stdout.trim();
    // Sources that were copied into another repository are not of that repository's commit.
    if (await git("rev-parse", "--show-toplevel") !== root) return undefined;
    const [id, date] = (await git("log", "-1", "--format=%H %cI")).split(" ");
    const dirty = await git("status", "--porcelain", "--untracked-files=no") !== "";
    return { id: dirty ? `${id}-dirty` : id!, date: date! };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof ProgramError) return undefined;
    throw error;
  }
}
