/** The documentation's networks of the link types "kernel:vlan" and the like. */
import { networkTests } from "./network_tests.ts";

await networkTests({ linkTypes: true });
