import type { Host } from "./host.ts";
import { CRUN, PODMAN, type User } from "./podman.ts";
import type { Scenario } from "./scenario.ts";

/** An ordinary user. The home is not below /run: podman gives the plugins another one. */
export const USER: User = { home: "/var/tmp/home", runtimeDirectory: "/run/user/1000" };

/** What an ordinary user's containers need. */
export const ROOTLESS = {
  clients: [PODMAN, CRUN, { name: "slirp4netns", program: "slirp4netns" }],
  needs: ["newuidmap", "setpriv"],
} as const satisfies Partial<Scenario>;

/** Makes the user, with subordinate identifiers and what slirp4netns opens. */
export async function addUser(host: Host): Promise<void> {
  const files = {
    passwd: `root:x:0:0:root:/root:/bin/sh\ntester:x:1000:1000::${USER.home}:/bin/sh\n`,
    group: "root:x:0:\ntester:x:1000:\n",
    subuid: "tester:100000:65536\n",
    subgid: "tester:100000:65536\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`/run/${name}`, text);
    await host.run("touch", [`/etc/${name}`]);
    await host.run("mount", ["--bind", `/run/${name}`, `/etc/${name}`]);
  }
  await host.run("mount", ["-t", "tmpfs", "tmpfs", "/dev/net"]);
  await host.run("mknod", ["--mode=666", "/dev/net/tun", "c", "10", "200"]);
  for (const directory of [USER.home, USER.runtimeDirectory]) {
    await Deno.mkdir(directory, { recursive: true });
    await Deno.chown(directory, 1000, 1000);
  }
  await Deno.chmod("/run/tmp", 0o1777);
}
