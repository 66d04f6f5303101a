import { assert, assertEquals } from "@std/assert";
import { CHAIN } from "../networks.ts";
import { CRUN, podmanEnvironment } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const BUILDAH = { name: "buildah", program: "buildah" };

/** What a build step shows of its network. */
const SHOW =
  "ip -4 -o addr show eth0 | sed 's/^[0-9]*: //'; ip route; ping -c 1 -W 3 10.77.0.1 >&2";

/** A container's `buildah run`, and a RUN line of a Containerfile. */
export const buildahRun: Scenario = {
  name: "buildah: run, bud",
  clients: [BUILDAH, CRUN],
  async run(host) {
    await host.network(CHAIN);
    const buildah = async (...args: readonly string[]) => {
      const env = podmanEnvironment();
      return (await host.run("buildah", ["--storage-driver=vfs", ...args], { env })).trim();
    };
    const isolated = ["--isolation", "oci", "--runtime", "crun"];
    host.step("run");
    const container = await buildah("from", "scratch");
    await buildah("copy", "--quiet", container, await host.rootfs("build"), "/");
    const network = ["--network", CHAIN.name];
    const seen = await buildah("run", ...isolated, ...network, container, "/bin/sh", "-c", SHOW);
    assert(seen.includes("10.77.0.2/24"), seen);
    host.observe("run", seen);
    await assertNothingLeft(host);

    host.step("bud");
    await buildah("commit", container, "localhost/base");
    await Deno.mkdir("/run/context");
    await Deno.writeTextFile(
      "/run/context/Containerfile",
      `FROM localhost/base\nRUN ${SHOW}; ip route >/routes\n`,
    );
    await buildah("bud", ...isolated, ...network, "--tag", "localhost/built", "/run/context");
    const built = await buildah("from", "localhost/built");
    const root = await buildah("mount", built);
    const routes = await Deno.readTextFile(`${root}/routes`);
    assertEquals(routes.match(/^default via (\S+)/m)?.[1], "10.77.0.1");
    await assertNothingLeft(host);
  },
};
