/** A server for the test of pinned Workers: asked to, it listens and says where. */
const scope = globalThis as unknown as {
  onmessage: (() => Promise<void>) | null;
  postMessage(message: { port: number; inode: number | null }): void;
};

scope.onmessage = async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { ino } = Deno.statSync("/proc/thread-self/ns/net");
  scope.postMessage({ port: listener.addr.port, inode: ino });
  for await (const connection of listener) connection.close();
};
