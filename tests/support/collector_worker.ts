/** The thread behind `Collector`: told how to answer it says its port; then, what it received. */

/** A request that a collector received. */
export interface Received {
  path: string;
  headers: Record<string, string>;
  // deno-lint-ignore no-explicit-any -- OTLP's JSON, asserted on in parts
  body: any;
}

/** How a collector answers: with a status, or never. */
export type Answering = number | "never";

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Answering | "received">) => void) | null;
  postMessage(message: number | Received[]): void;
};

let received: Received[] = [];

scope.onmessage = ({ data }) => {
  if (data !== "received") return serve(data);
  scope.postMessage(received);
  received = [];
};

function serve(answering: Answering): void {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { url, headers } = request;
    const body = await request.json();
    received.push({ path: new URL(url).pathname, headers: Object.fromEntries(headers), body });
    if (answering === "never") return await new Promise<Response>(() => {});
    return new Response("{}", { status: answering });
  });
  scope.postMessage(server.addr.port);
}
