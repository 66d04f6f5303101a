/**
 * Requests over HTTP, by both runtimes alike.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { bundle, stopBundler } from "../../scripts/build/bundle.ts";
import { type Bun, findBun } from "../../scripts/build/find_bun.ts";
import { makeCertificates } from "../support/etcd/certificates.ts";
import type { HttpJob } from "../support/http_client_main.ts";
import { fromFileUrl } from "../support/paths.ts";
import { missing, reportSkip } from "../support/requirements.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const MAIN = `${ROOT}/tests/support/http_client_main.ts`;
const PROXIES = Object.fromEntries(
  ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    .map((name) => [name, "http://127.0.0.1:9"]),
);

type Send = (jobs: HttpJob[]) => Promise<unknown[]>;

const bun = await findBun().catch((error: Error) => error);
test("Deno", () => sender(Deno.execPath(), ["run", "-qA", "--no-check", MAIN]));
test("Bun", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cni-http-" });
  const entry = `import ${JSON.stringify(MAIN)};`;
  const { main } = await bundle({ root: ROOT, version: "test", plugins: [], entry, directory });
  await stopBundler();
  return sender((bun as Bun).path, [main]);
}, bun instanceof Error ? bun : undefined);

function test(name: string, prepare: () => Send | Promise<Send>, absent?: Error): void {
  const title = `HttpClient in ${name} posts, tells servers by their certificates, uses no proxy`;
  const reason = absent
    ? { lacks: `Bun (${absent.message.split("\n")[0]})`, remedy: "install Bun" }
    : missing(["openssl"]);
  if (reason) reportSkip(title, reason);
  Deno.test({
    name: title,
    ignore: reason !== undefined,
    sanitizeResources: false, // the bundler's process
    fn: async () => await expectAll(await prepare()),
  });
}

/** Has a process send requests while this one answers them. */
function sender(program: string, args: string[]): Send {
  return async (jobs) => {
    const child = new Deno.Command(program, {
      args,
      env: PROXIES,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(jobs)));
    await writer.close();
    const { stdout } = await child.output();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
}

async function expectAll(send: Send): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cni-http-" });
  const { ca, server, client } = makeCertificates(directory);
  const answer = async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/never") return await new Promise<Response>(() => {});
    if (pathname === "/moved") return Response.redirect(new URL("/", request.url), 307);
    const text = `${request.method} ${request.headers.get("x-test")} ${await request.text()}`;
    return new Response(text, { status: pathname === "/refused" ? 403 : 200 });
  };
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const stopped = new AbortController();
  const plain = Deno.serve({ ...options, signal: stopped.signal }, answer);
  const tls = Deno.serve({ ...options, cert: server.cert, key: server.key }, answer);
  const [http, https] = [
    `http://127.0.0.1:${plain.addr.port}`,
    `https://127.0.0.1:${tls.addr.port}`,
  ];
  try {
    const request = { body: "grün", headers: { "x-test": "1" }, timeoutMs: 20_000 };
    const outcomes = await send([
      { request: { ...request, url: `${http}/` } },
      { request: { ...request, url: `${http}/refused`, body: "ab" } },
      { request: { ...request, url: `${http}/moved` } },
      { request: { ...request, url: `${https}/` }, identity: { ca: ca.cert } },
      {
        request: { ...request, url: `${https}/` },
        identity: { ca: ca.cert, cert: client.cert, key: client.key },
      },
    ]);
    const ok = { status: 200, body: "POST 1 grün" };
    const moved = outcomes.splice(2, 1)[0] as { status: number };
    assertEquals(moved.status, 307);
    assertEquals(outcomes, [ok, { status: 403, body: "POST 1 ab" }, ok, ok]);
    const [untrusted, late, nobody] = await send([
      { request: { ...request, url: `${https}/` } },
      { request: { ...request, url: `${http}/never`, timeoutMs: 200 } },
      { request: { ...request, url: "http://127.0.0.1:65000/" } },
    ]) as string[];
    assertMatch(untrusted!, /^POST https:\S+\/: .*(certificate|issuer)/i);
    assertEquals(late, `POST ${http}/never: no answer within 200 ms`);
    assertMatch(nobody!, /^POST http:\S+\/: .*(refused|Unable to connect)/i);
  } finally {
    stopped.abort();
    await tls.shutdown();
    Deno.removeSync(directory, { recursive: true });
  }
}
