/**
 * Control groups of a scenario's own, one in each hierarchy (cgroups(7), version 1), beside those
 * of the process that makes them.
 *
 * @module
 */
import { isFile } from "../../scripts/support/files.ts";
import { eventually } from "../support/process.ts";

/** A mounted hierarchy, and where in it this process is. */
interface Hierarchy {
  /** What `mount -o` calls it: its controllers, or its name. */
  options: string;
  /** The directory of this process' group. */
  directory: string;
}

/** The hierarchies of version 1 that this process is in; none where version 2 has everything. */
export function hierarchies(): Hierarchy[] {
  return Deno.readTextFileSync("/proc/self/cgroup").split("\n").flatMap((line) => {
    const [, controllers = "", path = ""] = /^\d+:([^:]+):(.*)$/.exec(line) ?? [];
    if (controllers === "") return [];
    const mounted = `/sys/fs/cgroup/${controllers.replace(/^name=/, "")}`;
    return !isFile(`${mounted}/tasks`)
      ? []
      : [{ options: controllers, directory: `${mounted}${path}`.replace(/\/$/, "") }];
  });
}

/** New groups below this process' own, which a child can be started in. */
export class Cgroups implements AsyncDisposable {
  readonly #hierarchies = hierarchies();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    for (const { directory } of this.#hierarchies) {
      Deno.mkdirSync(`${directory}/${name}`);
      // A new group may run nowhere until it is told where.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        const above = `${directory}/${file}`;
        if (!isFile(above)) continue;
        Deno.writeTextFileSync(`${directory}/${name}/${file}`, Deno.readTextFileSync(above));
      }
    }
  }

  /** What `mount -o` calls each hierarchy, for a process inside to mount it again. */
  get options(): string[] {
    return this.#hierarchies.map(({ options }) => options);
  }

  /** Starts a program in the groups. */
  spawn(command: Deno.Command): Deno.ChildProcess {
    // A child is born in its parent's groups; what is between is synchronous, so nobody else is.
    this.#move(`/${this.#name}`);
    try {
      return command.spawn();
    } finally {
      this.#move("");
    }
  }

  /** Moves this process to the group below its own one, or back. */
  #move(below: string): void {
    for (const { directory } of this.#hierarchies) {
      Deno.writeTextFileSync(`${directory}${below}/cgroup.procs`, String(Deno.pid));
    }
  }

  /** Removes the groups, with those that were made in them; their processes have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    const directories = this.#hierarchies.map(({ directory }) => `${directory}/${this.#name}`);
    await eventually(
      () => directories.map(removeGroup).every((gone) => gone),
      () => `processes in ${directories[0]} to end`,
    );
  }
}

/** Removes a group and those in it. Returns whether none is left. */
function removeGroup(directory: string): boolean {
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      if (isDirectory) removeGroup(`${directory}/${name}`);
    }
    Deno.removeSync(directory);
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
  return true;
}
