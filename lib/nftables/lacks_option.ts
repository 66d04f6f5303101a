import { CniError } from "../types/error.ts";

/** The kernel lacks an option; see `kernel_options.ts`. */
export class KernelLacksOption extends CniError {}
