/**
 * firewall-reload puts back the rules of living attachments: masquerading, published ports and the
 * firewall's own. Somebody flushed them, not knowing whose they were.
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
`;

/** @returns the exit status: 0, 1 for a failure, 2 for a wrong command line */
export async function main(args: readonly string[]): Promise<number> {
  const [option, ...more] = args;
  if (option === "--help" || option === "-h") {
    runtime.write(1, HELP);
    return 0;
  }
  if (option === undefined) {
    // Container runtimes start whatever is in the plugin directory to see what it is.
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

/** How long after something could not be put back it is tried again. Milliseconds. */
const RETRY_MS = 10_000;

/** Never returns. @throws when the bus goes away, for a service manager to start this again */
async function watch(): Promise<never> {
  using events = new RulesetEvents(); // before the first reload, so that nothing is missed
  for (let said: string | undefined;;) {
    try {
      await reload();
      said = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== said) runtime.write(2, `firewall-reload: ${why}\n`);
      said = why;
    }
    events.wait(said === undefined ? Infinity : RETRY_MS);
  }
}

if (import.meta.main) runtime.exit(await main(runtime.args));
