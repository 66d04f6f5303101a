/** What a pinned Worker is told first. */
export interface PinnedRequest {
  /** The namespace's descriptor; descriptors belong to the whole process. */
  descriptor: number;
  path: string;
  /** URL of the module to load inside. */
  module: string;
  /** `console` writes to standard error there too, as it does in the thread that starts it. */
  consoleToStderr: boolean;
}

/** What it answers. */
export type PinnedReply = { pinned: true } | { pinned: false; error: string };
