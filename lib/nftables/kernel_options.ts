/**
 * The kernel's options (Kconfig) that a command needs. A kernel without one of them, or without its
 * module, answers as if a name were wrong.
 *
 * @module
 */
import {
  NFPROTO,
  NFT_CHAIN,
  NFT_NEWCHAIN,
  NFT_NEWRULE,
  NFT_NEWTABLE,
  NFT_RULE,
} from "../netlink/nftables.ts";
import { NFT_EXPRESSIONS } from "../netlink/nftables_expressions.ts";
import type { BatchError } from "../nl/error.ts";
import { ErrorCode } from "../types/error.ts";
import type { Command } from "./command.ts";
import { KernelLacksOption } from "./lacks_option.ts";

/** Options for expressions that are modules of their own: `net/netfilter/Kconfig`. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  ct: "CONFIG_NFT_CT",
  fib: "CONFIG_NFT_FIB_INET",
  masq: "CONFIG_NFT_MASQ",
  nat: "CONFIG_NFT_NAT",
};

/**
 * What loads metadata in family bridge. Where it is built as a module, all metadata need that one;
 * where it is not built at all, the ordinary ones do without.
 */
const BRIDGE_META = "CONFIG_NFT_BRIDGE_META";

/** The kernel's answers for an unknown kind of table, chain or expression. */
const UNKNOWN = ["ENOENT", "EOPNOTSUPP", "EAFNOSUPPORT"];

/** The error of a kernel without nftables. @param purpose for errors: "masquerade 10.1.0.2/24" */
export function withoutNftables(purpose: string): KernelLacksOption {
  return lacks(purpose, ["CONFIG_NF_TABLES"], "nftables");
}

/**
 * Makes the error of a refusal that a missing option explains; undefined for any other.
 * @param commands that were refused
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 */
export function missingOption(
  { refusals, code }: BatchError,
  commands: readonly Command[],
  purpose: string,
): KernelLacksOption | undefined {
  if (!UNKNOWN.includes(code)) return undefined;
  const [refusal] = refusals;
  if (!refusal) return withoutNftables(purpose);
  // Where the batch does not make the table, the table itself may be missing.
  if (!commands.some(({ type }) => type === NFT_NEWTABLE)) return undefined;
  const refused = commands[refusal.index]!;
  const options = optionsFor(refused);
  return options.length > 0 ? lacks(purpose, options, `"${refused.purpose}"`) : undefined;
}

function lacks(purpose: string, options: readonly string[], what: string): KernelLacksOption {
  return new KernelLacksOption(
    ErrorCode.internal,
    `cannot ${purpose}: the kernel lacks what ${what} needs (${options.join(", ")}): ` +
      "load or enable it",
  );
}

function optionsFor({ type, payload }: Command): string[] {
  const [family] = payload;
  switch (type) {
    case NFT_NEWTABLE: {
      if (family === NFPROTO.inet) return ["CONFIG_NF_TABLES_INET"];
      return family === NFPROTO.bridge ? ["CONFIG_NF_TABLES_BRIDGE"] : [];
    }
    case NFT_NEWCHAIN:
      return NFT_CHAIN.decode(payload).type === "nat" ? ["CONFIG_NFT_NAT"] : [];
    case NFT_NEWRULE: {
      const { expressions } = NFT_RULE.decode(payload);
      const list = (expressions && NFT_EXPRESSIONS.decode(expressions).list) ?? [];
      return list.flatMap(({ name }) =>
        name === "meta" && family === NFPROTO.bridge ? BRIDGE_META : EXPRESSIONS[name] ?? []
      );
    }
    default:
      return [];
  }
}
