/** The thread behind `TreeServer`: told a directory, it serves its files and says on which port. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<string>) => void) | null;
  postMessage(port: number): void;
};

scope.onmessage = ({ data: root }) => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    try {
      const file = Deno.readFileSync(root + decodeURIComponent(new URL(url).pathname));
      return new Response(file, { headers: { "content-type": "application/typescript" } });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
  scope.postMessage(server.addr.port);
};
