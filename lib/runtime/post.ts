import { messageOf } from "./errors.ts";
import type { HttpAnswer, HttpPost } from "./types.ts";

/**
 * Sends a request by `fetch`, and gives up at its deadline.
 * @param options further options of the runtime's own `fetch`
 * @throws {Error} @see HttpClient.post
 */
export async function post(
  { url, headers, body, timeoutMs }: HttpPost,
  options: object,
): Promise<HttpAnswer> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers,
      body,
      signal: deadline.signal,
      ...options,
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    const why = deadline.signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error, url);
    throw new Error(`POST ${url}: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Says what went wrong, without the URL, which the caller adds: newer Deno has it in the cause. */
function reasonOf(error: unknown, url: string): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return messageOf(cause).replace(`error sending request for url (${url}): `, "");
}
