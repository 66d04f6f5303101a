import { Cidr } from "../ip/cidr.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";
import { FR_ACT_TO_TBL, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE, RULE } from "../netlink/rule.ts";
import { familyOf } from "./family.ts";
import { readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** A policy rule that looks up a table. */
export interface Rule {
  /** 4 for IPv4, 6 for IPv6. */
  family: 4 | 6;
  /** Source prefix; any when absent. */
  from?: Cidr;
  /** The table to look the destination up in. */
  table: number;
  /** The lowest is tried first; the kernel picks one below the lowest present when absent. */
  priority?: number;
}

/** Policy rules. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Rules {
  /** {@link Rtnl} makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `ip [-6] rule show` */
  list(filter: { family?: 4 | 6 } = {}): Rule[] {
    const families = filter.family ? [filter.family] : [4, 6] as const;
    return families.flatMap((family) => {
      const payload = RULE.encode({ family: familyOf(family) });
      const purpose = "list rules";
      const answers = this.socket.dump({ type: RTM_GETRULE, payload, purpose });
      return readAnswers(answers, purpose, (answer) => {
        const message = RULE.decode(answer);
        return {
          family,
          from: message.from && new Cidr(message.from, message.fromPrefix ?? 0),
          table: message.table ?? message.shortTable ?? 0,
          priority: message.priority ?? 0,
        };
      });
    });
  }

  /** `ip rule add from FROM table TABLE [priority PRIORITY]` */
  add(rule: Rule): void {
    const flags = NLM_F_CREATE | NLM_F_EXCL;
    const purpose = `add ${describe(rule)}`;
    this.socket.request({ type: RTM_NEWRULE, flags, payload: encode(rule), purpose });
  }

  /** `ip rule del …`. @throws {NetlinkError} ENOENT when there is none */
  remove(rule: Rule): void {
    const purpose = `remove ${describe(rule)}`;
    this.socket.request({ type: RTM_DELRULE, payload: encode(rule), purpose });
  }

  /** `ip rule del …`; one that is not there is fine. */
  removeIfPresent(rule: Rule): void {
    try {
      this.remove(rule);
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
    }
  }
}

function encode(rule: Rule): Uint8Array {
  return RULE.encode({
    family: familyOf(rule.family),
    fromPrefix: rule.from?.prefix ?? 0,
    from: rule.from?.ip,
    shortTable: rule.table < 256 ? rule.table : 0,
    table: rule.table,
    priority: rule.priority,
    action: FR_ACT_TO_TBL,
  });
}

function describe({ family, from, table, priority }: Rule): string {
  return `IPv${family} rule${priority === undefined ? "" : ` ${priority}`} ` +
    `from ${from ?? "all"} table ${table}`;
}
