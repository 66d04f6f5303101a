/** The other networks of the documentation. */
import { networkTests } from "./network_tests.ts";

await networkTests({ linkTypes: false });
