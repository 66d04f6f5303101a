import { assert, assertEquals } from "@std/assert";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { archive } from "../image.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const IMAGE = "localhost/busybox:1";

/** What `podman play kube` is given. */
const MANIFEST = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "played" },
  spec: {
    containers: [{
      name: "web",
      image: IMAGE,
      imagePullPolicy: "Never",
      command: ["/bin/sh", "-c", SERVE],
      ports: [{ containerPort: 80, hostPort: 8092 }],
    }],
  },
};

/** Pods of podman's own and of a Kubernetes manifest. */
export const podmanPods: Scenario = {
  name: "podman: pods, play kube",
  clients: [PODMAN, CRUN],
  exchange: true,
  async run(host) {
    await host.network(CHAIN);
    const podman = new Podman(host);
    await podman.run("load", "--input", await archive(host, [IMAGE]));
    host.step("a pod");
    await podman.run(
      "pod",
      "create",
      "--name",
      "pod",
      "--network",
      "chain",
      "-p",
      "8091:80",
    );
    for (const [name, script] of [["server", SERVE], ["beside", "sleep 100000"]] as const) {
      const command = ["--entrypoint", "", IMAGE, "/bin/sh", "-c", script];
      await podman.run("run", "--detach", "--pod", "pod", "--name", name, ...command);
    }
    await observeNetwork(host, "pod", podman.exec("beside"), GATEWAYS);
    assertEquals(await podman.exec("beside")("wget", "-qO-", "http://127.0.0.1/"), "served");

    host.step("play kube");
    await Deno.writeTextFile("/run/pod.json", JSON.stringify(MANIFEST));
    await podman.run("play", "kube", "--network", "chain", "/run/pod.json");
    await observeNetwork(host, "played", podman.exec("played-web"), GATEWAYS);
    assertEquals(
      await podman.exec("played-web")("wget", "-qO-", "http://10.77.0.1:8091/"),
      "served",
    );
    assertEquals(await podman.exec("beside")("wget", "-qO-", "http://10.77.0.1:8092/"), "served");
    await host.exchange();

    host.step("both end");
    await podman.run("play", "kube", "--down", "/run/pod.json");
    await podman.run("pod", "rm", "--force", "--time", "0", "pod");
    assert(!(await podman.run("ps", "--all", "--quiet")));
    await assertNothingLeft(host);
  },
};
