/** Sends the requests that standard input has as JSON, and prints what came of each. */
import { messageOf } from "../../lib/runtime/errors.ts";
import { runtime } from "../../lib/runtime/mod.ts";
import type { HttpIdentity, HttpPost } from "../../lib/runtime/types.ts";

/** One request. */
export interface HttpJob {
  identity?: HttpIdentity;
  request: HttpPost;
}

const jobs: HttpJob[] = JSON.parse(new TextDecoder().decode(runtime.readStdin(1 << 20)));
const outcomes: unknown[] = [];
for (const { identity, request } of jobs) {
  using client = runtime.http(identity);
  outcomes.push(await client.post(request).catch(messageOf));
}
runtime.write(1, JSON.stringify(outcomes));
runtime.exit(0);
