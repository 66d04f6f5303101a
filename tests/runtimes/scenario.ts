import type { Requirement } from "../support/requirements.ts";
import type { Host } from "./host.ts";

/** What a container runtime is asked to do, and what must have come of it. */
export interface Scenario {
  /** The program whose behaviour it shows, and what is shown: `containerd: hostPorts`. */
  name: string;
  /** What is run: its version goes into the table. */
  clients: readonly Client[];
  /** What else it cannot do without. */
  needs?: readonly Requirement[];
  /**
   * Brings the clients' programs, where those that are installed will not do.
   * @param directory where they may be put
   * @returns the directory of the programs
   * @throws {Error} that says why they cannot be had
   */
  programs?: (directory: string) => Promise<string>;
  /**
   * Whether it is run on the test kernel (`deno task test:kernel`) where this machine's lacks a kind of
   * link that it needs: programs take ten times as long there.
   */
  onTestKernel?: boolean;
  /** Whether {@link Host.exchange} is called, and so a run with each exchange is worth its time. */
  exchange?: boolean;
  /** Whether it is part of the short form, which is run through the resident server too. */
  short?: boolean;
  run(host: Host): Promise<void>;
}

/** A container runtime, or what one starts containers with. */
export interface Client {
  name: string;
  /** The program that is executed. */
  program: string;
}
