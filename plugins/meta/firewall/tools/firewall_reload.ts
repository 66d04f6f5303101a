/**
 * firewall-reload restores flushed rules of existing attachments: masquerading, published ports and
 * the firewall's own.
 *
 * @module
 */
import { restoreRules } from "../../../../lib/firewall/reload.ts";
import { messageOf } from "../../../../lib/runtime/errors.ts";
import { runtime } from "../../../../lib/runtime/mod.ts";
import { BUILD_VERSION } from "../../../../lib/skel/build_version.ts";
import { RulesetEvents } from "../ruleset_events.ts";

const HELP =
  `CNI firewall-reload ${BUILD_VERSION}: puts back the rules of containers that somebody flushed

usage: firewall-reload --once     now
       firewall-reload --watch    now, and whenever firewalld or nftables are reloaded

example:
  cni firewall-reload --once
`;

/**
 * Runs firewall-reload.
 * @returns the exit status: 0, 1 for a failure, 2 for a wrong command line
 */
export async function main(args: readonly string[]): Promise<number> {
  const [option, ...more] = args;
  if (option === "--help" || option === "-h") {
    runtime.write(1, HELP);
    return 0;
  }
  if (option === undefined) {
    // Container runtimes start every file of the plugin directory to read its version.
    runtime.write(2, HELP);
    return 2;
  }
  if (more.length > 0 || (option !== "--once" && option !== "--watch")) {
    runtime.write(
      2,
      `firewall-reload: unknown argument ${JSON.stringify(more[0] ?? option)}\n${HELP}`,
    );
    return 2;
  }
  try {
    if (option === "--watch") await watch();
    else await reload();
    return 0;
  } catch (error) {
    runtime.write(2, `firewall-reload: ${messageOf(error)}\n`);
    return 1;
  }
}

async function reload(): Promise<void> {
  await restoreRules(({ what, attachment }) => {
    const { network, containerId, ifName } = attachment;
    runtime.write(1, `put back: ${what} of ${containerId} (${ifName} on network ${network})\n`);
  });
}

/** The pause before another attempt after a failure. Milliseconds. */
const RETRY_MS = 10_000;

/** Watches for ever. @throws when the bus closes the connection; a service manager restarts it */
async function watch(): Promise<never> {
  using events = await RulesetEvents.open(); // before the first reload, so that nothing is missed
  for (let said: string | undefined;;) {
    try {
      await reload();
      said = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== said) runtime.write(2, `firewall-reload: ${why}\n`);
      said = why;
    }
    await events.wait(said === undefined ? Infinity : RETRY_MS);
  }
}

if (import.meta.main) runtime.exit(await main(runtime.args));
