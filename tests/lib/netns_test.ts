import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { startPinnedWorker } from "../../lib/ns/pinned.ts";
import { createNetNs, removeNetNs } from "../../lib/ns/named.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { isGone, readRecordedNetNs, recordNetNs } from "../../lib/ns/recorded.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { CniError } from "../../lib/types/error.ts";
import { kernelTest } from "../support/sandbox.ts";

kernelTest("createNetNs() mounts a namespace that `ip netns` knows and can enter", (sandbox) => {
  using netns = createNetNs("blue");
  assertEquals(netns.path, "/var/run/netns/blue");
  assertEquals(sandbox.run("ip", ["netns", "list"]).trim().split(" ")[0], "blue");
  sandbox.run("ip", ["netns", "exec", "blue", "ip", "link", "set", "lo", "up"]);
  assert(sandbox.ip("link show dev lo", netns)[0].flags.includes("UP"));
  removeNetNs("blue");
  assertEquals(sandbox.run("ip", ["netns", "list"]), "");
  removeNetNs("blue"); // again: what is gone is fine
});

kernelTest("createNetNs() refuses names that are no file names, and names that are taken", () => {
  for (const name of ["", "..", "a/b", "a\0b", "x".repeat(300), "-x"]) {
    assertEquals(assertThrows(() => createNetNs(name), CniError).code, 4, JSON.stringify(name));
  }
  using _blue = createNetNs("blue");
  assertEquals(assertThrows(() => createNetNs("blue"), CniError).code, 8);
});

kernelTest("run() is inside for its callback, and back after it, even when it throws", () => {
  using netns = createNetNs("blue");
  using home = NetNs.current();
  const seen = netns.run(() => {
    using inside = NetNs.current();
    return inside.ino;
  });
  assertEquals(seen, netns.ino);
  assertThrows(
    () =>
      netns.run(() => {
        throw new Error("inside");
      }),
    Error,
    "inside",
  );
  using now = NetNs.current();
  assert(now.is(home));
  assertNotEquals(now.ino, netns.ino);
});

kernelTest("run() within run() comes back to where it was each time", () => {
  using blue = createNetNs("blue");
  using green = createNetNs("green");
  const at = () => {
    using netns = NetNs.current();
    return netns.ino;
  };
  const home = at();
  const seen = blue.run(() => [
    at(),
    green.run(() => [at(), blue.run(at), at()]),
    at(),
  ]);
  assertEquals(seen, [blue.ino, [green.ino, blue.ino, green.ino], blue.ino]);
  assertEquals(at(), home);
});

kernelTest(
  "run() ends the process where its thread cannot be put back",
  (sandbox) => {
    createNetNs("blue");
    const module = new URL("../../lib/ns/netns.ts", import.meta.url);
    const script = `
      import { NetNs } from "${module}";
      using netns = NetNs.open("/run/netns/blue");
      netns.run(() => console.log("inside"));
      console.log("goes on");
    `;
    Deno.writeTextFileSync("/run/test/script.ts", script);
    const strace = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=setns:error=EPERM:when=2"];
    const deno = [Deno.execPath(), "run", "--allow-all", "--no-check", "/run/test/script.ts"];
    const { code, stdout, stderr } = sandbox.try("strace", [...strace, ...deno]);
    assertEquals([code, stdout], [70, "inside\n"]);
    assert(stderr.includes("cannot return to the host's network namespace"), stderr);
  },
  { needs: ["strace"] },
);

kernelTest(
  "a thread that stays in its namespace needs not ask where it is, and is always right",
  (sandbox) => {
    for (const name of ["blue", "red"]) createNetNs(name)[Symbol.dispose]();
    const lib = new URL("../../lib/", import.meta.url).href;
    // In a process of its own: it says so once and for all.
    const script = `
      import { keepNamespace, NetNs } from "${lib}ns/netns.ts";
      import { readSysctl, trySysctl, writeSysctl } from "${lib}ns/sysctl.ts";
      keepNamespace();
      const [blue, red] = ["blue", "red"].map((name) => NetNs.open("/run/netns/" + name));
      const key = "net/ipv4/conf/lo/tag";
      const inode = () => {
        using current = NetNs.current();
        return [current.ino, Deno.statSync("/proc/thread-self/ns/net").ino];
      };
      const seen = [inode()];
      writeSysctl(key, "1");
      blue.run(() => {
        seen.push(inode());
        writeSysctl(key, "2");
        red.run(() => {
          seen.push(inode());
          writeSysctl(key, "3");
        });
        seen.push(inode());
        writeSysctl(key, String(Number(readSysctl(key)) + 20));
      });
      seen.push(inode());
      writeSysctl(key, String(Number(readSysctl(key)) + 10));
      let error;
      try {
        readSysctl("net/ipv4/conf/none/tag");
      } catch ({ message }) {
        error = message;
      }
      console.log(JSON.stringify({ seen, error, isSet: trySysctl("net/ipv6/conf/lo/none", "1") }));
    `;
    Deno.writeTextFileSync("/run/test/script.ts", script);
    const deno = ["run", "--allow-all", "--no-check", "/run/test/script.ts"];
    const { seen, error, isSet } = JSON.parse(sandbox.run(Deno.execPath(), deno));
    using blue = NetNs.open("/run/netns/blue");
    using red = NetNs.open("/run/netns/red");
    const here = Deno.statSync("/proc/thread-self/ns/net").ino;
    const inodes = [here, blue.ino, red.ino, blue.ino, here];
    assertEquals(seen, inodes.map((inode) => [inode, inode]));
    assert(error.includes("/proc/sys/net/ipv4/conf/none/tag"), error);
    assertEquals(isSet, false);
    const tag = () => Deno.readTextFileSync("/proc/sys/net/ipv4/conf/lo/tag").trim();
    assertEquals([tag(), blue.run(tag), red.run(tag)], ["11", "22", "3"]);
  },
);

kernelTest("open() says what is wrong: nothing there, or no network namespace", () => {
  Deno.writeTextFileSync("/run/test/file", "");
  const cases = [
    ["/run/netns/none", "no such file"],
    ["/run/test/file", "not a network namespace"],
    [
      "/proc/self/ns/mnt",
      "not a network namespace",
    ],
  ] as const;
  for (const [path, words] of cases) {
    const error = assertThrows(() => NetNs.open(path), CniError, words);
    assertEquals(error.code, 8);
    assert(error.message.includes(path));
  }
  Deno.symlinkSync("loop", "/run/test/loop");
  for (const path of [...cases.map(([path]) => path), "", "/run/test/loop", "/x".repeat(3000)]) {
    assertEquals(NetNs.openIfPresent(path), undefined);
  }
});

kernelTest("a socket stays in the namespace it was opened in", (sandbox) => {
  using netns = createNetNs("blue");
  using inside = Rtnl.open(netns);
  inside.link.add({ name: "eth0", kind: "bridge" });
  assertEquals(sandbox.links(netns), ["eth0"]);
  assertEquals(sandbox.links(), []);
});

kernelTest("a pinned Worker's asynchronous work stays inside", async () => {
  using netns = createNetNs("blue");
  using inside = Rtnl.open(netns);
  inside.link.set("lo", { up: true });
  const module = new URL("./pinned_listener.ts", import.meta.url);
  const worker = await startPinnedWorker(netns, module);
  try {
    const { promise, resolve } = Promise.withResolvers<{ port: number; inode: number }>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage("listen");
    const { port, inode } = await promise;
    assertEquals(inode, netns.ino);
    // Reachable inside, and only there.
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.1", port }),
      Deno.errors.ConnectionRefused,
    );
    assertEquals(netns.run(() => connects(port)), true);
  } finally {
    worker.terminate();
  }
}, { needs: ["busybox"] });

kernelTest("a pinned Worker that visits another namespace keeps neither open", async () => {
  using blue = createNetNs("blue");
  using green = createNetNs("green");
  const before = [openDescriptors(blue), openDescriptors(green)];
  const worker = await startPinnedWorker(blue, new URL("./pinned_visitor.ts", import.meta.url));
  try {
    const { promise, resolve } = Promise.withResolvers<{ seen: number }>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(green.path);
    assertEquals((await promise).seen, green.ino);
    assertEquals([openDescriptors(blue), openDescriptors(green)], before);
  } finally {
    worker.terminate();
  }
});

kernelTest("a pinned Worker that cannot load its module says so", async () => {
  using netns = createNetNs("blue");
  await assertRejects(
    () => startPinnedWorker(netns, new URL("file:///none.ts")),
    CniError,
    netns.path,
  );
});

/** Counts this process's descriptors of a namespace. */
function openDescriptors({ ino }: NetNs): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === `net:[${ino}]`;
    } catch {
      return false; // the descriptor that the directory was read by
    }
  }).length;
}

/** Whether a port of this namespace's loopback accepts a connection. */
function connects(port: number): boolean {
  const { success } = new Deno.Command("busybox", {
    args: ["nc", "-w", "2", "127.0.0.1", String(port)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}

kernelTest("isGone() knows a namespace that is gone, replaced or only a file by now", (sandbox) => {
  using blue = createNetNs("blue");
  const recorded = recordNetNs(blue.path);
  assertEquals(readRecordedNetNs(JSON.parse(JSON.stringify(recorded))), recorded);
  assert(!isGone(recorded));
  using green = createNetNs("green");
  assert(!isGone(recordNetNs(green.path)));
  assert(isGone({ ...recorded, path: green.path }), "another namespace is at the path");
  sandbox.run("umount", ["--lazy", blue.path]);
  assert(isGone(recorded), "the file that it was mounted on stays");
  Deno.removeSync(blue.path);
  assert(isGone(recorded), "nothing is at the path");
  assert(isGone({ ...recorded, path: `${green.path}/net` }));
  assert(isGone({ ...recorded, path: `/run/${"x".repeat(300)}` }), "nothing has such a name");
  assert(!isGone({ ...recorded, path: "/run/a\0b" }), "nobody can tell");
  assertEquals(assertThrows(() => recordNetNs(blue.path), CniError).code, 8);
  for (const text of ["null", '"x"', "{}", '{ "path": "/x", "dev": 1 }']) {
    assertThrows(() => readRecordedNetNs(JSON.parse(text)), TypeError);
  }
});
