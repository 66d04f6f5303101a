/** The resident server's units for systemd; `install/deploy_test.ts` has systemd look at all units. */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { SOCKET_PATH } from "../../lib/server/protocol.ts";
import { fromFileUrl } from "../support/paths.ts";
import { eventually } from "../support/process.ts";
import { missing, reportSkip } from "../support/requirements.ts";
import { appears, ResidentProject } from "../support/resident_project.ts";
import { SYSTEMD, Systemd } from "../support/systemd.ts";

const UNITS = fromFileUrl(new URL("../../lib/resident/systemd", import.meta.url));

/**
 * What cni.service may say of its process: systemd.exec(5) and others have dozens of options that
 * give a service a namespace, a user or a label of its own, and every call would be declined.
 */
const HARMLESS = /^(ExecStart|Restart|KillMode|TimeoutStopSec|LimitNOFILE)=|^PrivateMounts=no$/;

/** Options of the section Service that are not known to leave a process what its callers are. */
function others(unit: string): string[] {
  const [, section = ""] = unit.split("[Service]\n");
  return section.split(/\n\[/)[0]!.split("\n")
    .filter((line) => /^\w/.test(line) && !HARMLESS.test(line));
}

Deno.test("cni.service has no option that would make it another process than its callers", () => {
  const text = Deno.readTextFileSync(`${UNITS}/cni.service`);
  assertEquals(others(text), []);
  for (const option of ["PrivateTmp=yes", "LoadCredential=a", "Group=adm", "PrivateMounts=yes"]) {
    assertEquals(others(`${text}${option}\n`), [option]);
  }
});

const lacks = missing(["root", "cgroup-v2", SYSTEMD, "systemctl", "nsenter"]);
if (lacks) reportSkip("the units in a systemd", lacks);
Deno.test({
  name: "the units in a systemd",
  ignore: lacks !== undefined,
  async fn(test) {
    using project = new ResidentProject("bun", SOCKET_PATH);
    await using systemd = await Systemd.start(project.bin);
    for (const name of ["cni.service", "cni.socket"]) {
      await systemd.write(name, Deno.readTextFileSync(`${UNITS}/${name}`));
    }
    await systemd.run("systemctl", "enable", "--now", "cni.socket");
    const host = new Host(project, systemd);
    for (const [name, run] of Object.entries(CASES)) {
      // It starts a service five times in ten seconds, and then no more. systemd.unit(5)
      await systemd.run("systemctl", "reset-failed");
      await test.step(name, () => run(host));
    }
  },
});

/** Where the units are: as docs/resident.md has them installed. */
class Host {
  constructor(readonly project: ResidentProject, readonly systemd: Systemd) {}

  /** Begins a call there. */
  begin(steps: readonly (readonly [step: string, value: string])[] = [], env = {}) {
    return this.project.begin({ before: this.systemd.inside, steps: { add: steps }, env }).reply;
  }

  /** Makes a call, which must succeed. @returns the process that has done it, as systemd sees it */
  async call(): Promise<string> {
    const { code, stdout, stderr } = await this.begin();
    assertEquals(code, 0, stdout + stderr);
    return /served by (\d+)/.exec(stdout)![1]!;
  }

  /** Begins a call that executes a program, and waits until that runs. */
  async beginProgram() {
    const directory = this.project.directory();
    const [here, go] = [`${directory}/here`, `${directory}/go`];
    const script = `#!/bin/sh\n: >${here}\nuntil [ -e ${go} ]; do sleep 0.02; done\necho ran\n`;
    Deno.writeTextFileSync(`${directory}/program`, script, { mode: 0o755 });
    const reply = this.begin([["run", "program"]], { PATH: `${directory}:/usr/bin:/bin` });
    await appears(here);
    return { reply, finish: () => Deno.writeTextFileSync(go, "") };
  }

  /** A property of cni.service. systemctl(1) */
  property(name: string): Promise<string> {
    return this.systemd.run("systemctl", "show", "--property", name, "--value", "cni.service");
  }

  /** Waits for the service to be in a state. */
  async is(state: string): Promise<void> {
    const seen = () => this.property("ActiveState");
    await eventually(async () => await seen() === state, () => `cni.service to be ${state}`);
  }
}

const CASES: Readonly<Record<string, (host: Host) => Promise<void>>> = {
  async "the first call starts the service, which serves it and declines nothing"(host) {
    const { systemd } = host;
    assertEquals(await host.property("ActiveState"), "inactive");
    const server = await host.call();
    assertEquals(server, await host.property("MainPID"));
    const { served, declined } = JSON.parse(
      await systemd.run("/opt/cni/bin/cni", "status", "--json"),
    );
    assertEquals([served, declined], [1, {}]);
    const modes = await systemd.run("stat", "--format=%a %U %G", "/run/cni", "/run/cni/cni.sock");
    assertEquals(modes, "700 root root\n600 root root");
    // Where the machine allows no such limit it is the machine's.
    const most = Math.min(65536, Number(await systemd.run("sh", "-c", "ulimit -Hn")) || 65536);
    const limits = await systemd.run("cat", `/proc/${server}/limits`);
    assertMatch(limits, new RegExp(`^Max open files +${most} `, "m"));
  },

  async "the call under way when the service is stopped ends, with the program that it waits for"(
    host,
  ) {
    const { systemd } = host;
    const call = await host.beginProgram();
    const stopped = systemd.run("systemctl", "stop", "cni.service");
    await host.is("deactivating");
    call.finish();
    const { code, stdout, stderr } = await call.reply;
    assertEquals([code, stderr], [0, "ran\n"], stdout);
    await stopped;
    assertEquals(await host.property("Result"), "success");
    // The socket is stopped after it, and removed: no call waits for a service that may not start.
    const isRemoved = async () => (await systemd.try("stat", SOCKET_PATH)).code === 1;
    await eventually(isRemoved, () => "the socket to be removed");
    await host.call();
    assertEquals(await host.property("ActiveState"), "inactive");
    await systemd.run("systemctl", "start", "cni.socket");
    assertEquals(await host.call(), await host.property("MainPID"));
  },

  async "after a SIGKILL of the server another is there without a call, and a call at once ends well"(
    host,
  ) {
    for (const call of [() => Promise.resolve(), () => host.call()]) {
      const killed = await host.call();
      assertEquals(killed, await host.property("MainPID"));
      await host.systemd.run("kill", "-KILL", killed);
      await call();
      await eventually(
        async () => !["0", killed].includes(await host.property("MainPID")),
        () => "systemd to start the service again",
      );
      assertEquals(await host.call(), await host.property("MainPID"));
    }
  },

  async "a restart loses no call: not those under way, not those that are made meanwhile"(host) {
    const before = await host.call();
    const under = await host.beginProgram();
    const restarted = host.systemd.run("systemctl", "restart", "cni.service");
    await host.is("deactivating");
    let isOver = false;
    await host.call();
    const meanwhile = (async () => {
      while (!isOver) await host.call();
    })();
    under.finish();
    const { code, stdout, stderr } = await under.reply;
    assertEquals([code, stderr], [0, "ran\n"], stdout);
    await restarted;
    isOver = true;
    await meanwhile;
    const next = await host.call();
    assertNotEquals(next, before);
    assertEquals(next, await host.property("MainPID"));
  },

  async "a server that nobody calls ends, and the next call starts it again"(host) {
    const { systemd } = host;
    const command = "ExecStart=\nExecStart=/opt/cni/bin/cni serve --idle 1\n";
    await systemd.write("cni.service.d/idle.conf", `[Service]\n${command}`);
    await systemd.run("systemctl", "restart", "cni.service");
    const first = await host.call();
    await host.is("inactive");
    assertEquals(await systemd.run("systemctl", "is-active", "cni.socket"), "active");
    const runs = await host.property("InvocationID");
    const next = await host.call();
    assertNotEquals(next, first);
    assertNotEquals(await host.property("InvocationID"), runs);
  },
};
