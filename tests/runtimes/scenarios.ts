import type { Scenario } from "./scenario.ts";
import { buildahRun } from "./scenarios/buildah_run.ts";
import { criAccidents } from "./scenarios/cri_accidents.ts";
import { criCrowd } from "./scenarios/cri_crowd.ts";
import { criKilledAdd } from "./scenarios/cri_killed_add.ts";
import { criNewer } from "./scenarios/cri_newer.ts";
import { criNftables } from "./scenarios/cri_nftables.ts";
import { criPods } from "./scenarios/cri_pods.ts";
import { criReboot } from "./scenarios/cri_reboot.ts";
import { ctrRun } from "./scenarios/ctr_run.ts";
import { podmanDhcp } from "./scenarios/podman_dhcp.ts";
import { podmanDns } from "./scenarios/podman_dns.ts";
import { podmanLinks } from "./scenarios/podman_links.ts";
import { podmanNetworks } from "./scenarios/podman_networks.ts";
import { podmanPods } from "./scenarios/podman_pods.ts";
import { podmanRootless } from "./scenarios/podman_rootless.ts";
import { podmanRootlessNetworks } from "./scenarios/podman_rootless_networks.ts";
import { podmanRun } from "./scenarios/podman_run.ts";

/** Every scenario, the longest first: what runs beside others ends sooner so. */
export const SCENARIOS: readonly Scenario[] = [
  podmanNetworks,
  podmanLinks,
  podmanRootlessNetworks,
  podmanPods,
  podmanRun,
  podmanDhcp,
  podmanDns,
  podmanRootless,
  criAccidents,
  criCrowd,
  criReboot,
  criKilledAdd,
  criNewer,
  criPods,
  criNftables,
  ctrRun,
  buildahRun,
];
