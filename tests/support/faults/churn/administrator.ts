import type { Sandbox } from "../../sandbox.ts";

/** A flavour of iptables: its programs are `iptables-FLAVOUR` and so on. */
export type Flavour = "nft" | "legacy";

const FLAVOURS: readonly Flavour[] = ["nft", "legacy"];
const PROGRAMS = ["iptables", "ip6tables"] as const;
/** Tables of iptables that an administrator has rules in. */
const TABLES = ["filter", "nat", "raw"] as const;
/** The file that `systemctl restart nftables` would load. */
const FILE = "/run/test/nftables.conf";

const OWN_TABLES = `table inet admin {
	set friends {
		type ipv4_addr
		elements = { 203.0.113.5, 203.0.113.6 }
	}

	chain input {
		type filter hook input priority 5; policy accept;
		ip saddr @friends accept comment "friends"
	}
}
table ip admin_nat {
	chain prerouting {
		type nat hook prerouting priority 10; policy accept;
		tcp dport 9 dnat to 203.0.113.9
	}
}
`;

/**
 * An administrator with tables of nftables and rules in both flavours of iptables, who flushes
 * everything and loads his own again.
 */
export class Administrator {
  readonly #sandbox: Sandbox;
  /** The flavour whose chain FORWARD drops what nobody accepts. */
  readonly #dropping: Flavour | undefined;

  constructor(sandbox: Sandbox, dropping: Flavour | undefined) {
    this.#sandbox = sandbox;
    this.#dropping = dropping;
    Deno.writeTextFileSync(FILE, `flush ruleset\n${OWN_TABLES}`);
    this.flushAll();
    this.#load("legacy", TABLES);
  }

  /** `systemctl restart nftables`, and iptables-nft's rules, which it has taken away. */
  flushAll(): void {
    this.#sandbox.run("nft", ["-f", FILE]);
    this.#load("nft", TABLES);
  }

  /** `iptables -t TABLE -F`, of both families, and his own rules again. */
  flushTable(flavour: Flavour, table: typeof TABLES[number]): void {
    for (const program of PROGRAMS) {
      this.#sandbox.run(`${program}-${flavour}`, ["-t", table, "-F"]);
    }
    this.#load(flavour, [table]);
  }

  /** Loads his rules of iptables-nft again, which firewalld flushes as it is loaded. */
  reloadIptables(): void {
    for (const table of TABLES) this.flushTable("nft", table);
  }

  /** `nft delete table FAMILY TABLE` of iptables-nft's, and his own rules again. */
  deleteTable(table: typeof TABLES[number]): void {
    for (const family of ["ip", "ip6"]) {
      this.#sandbox.try("nft", ["delete", "table", family, table]);
    }
    this.#load("nft", [table]);
  }

  /** All that is his, as the programs print it. */
  rules(): string {
    const tables = ["inet admin", "ip admin_nat"].map((table) =>
      this.#sandbox.run("nft", ["list", "table", ...table.split(" ")])
    );
    const lines = FLAVOURS.flatMap((flavour) =>
      PROGRAMS.flatMap((program) =>
        this.#sandbox.run(`${program}-${flavour}-save`, []).split("\n")
          .filter((line) => /ADMIN-X|203\.0\.113|2001:db8:113|:FORWARD DROP/.test(line))
          .map((line) => `${program}-${flavour} ${line.replace(/\[\d+:\d+\]/, "")}`)
      )
    );
    return [...tables, ...lines].join("\n");
  }

  #load(flavour: Flavour, tables: readonly (typeof TABLES[number])[]): void {
    for (const program of PROGRAMS) {
      const net = program === "iptables" ? "203.0.113" : "2001:db8:113:";
      const nowhere = program === "iptables" ? "203.0.113.9" : "2001:db8:113::9";
      const address = (last: number) =>
        program === "iptables" ? `${net}.${last}` : `${net}:${last}`;
      const policy = this.#dropping === flavour ? "DROP" : "ACCEPT";
      const texts: Readonly<Record<typeof TABLES[number], string>> = {
        filter: `:FORWARD ${policy} [0:0]\n:ADMIN-X - [0:0]\n-A FORWARD -j ADMIN-X\n` +
          `-A ADMIN-X -d ${address(7)} -j DROP\n`,
        nat: `-A PREROUTING -d ${address(8)} -j DNAT --to-destination ${nowhere}\n`,
        raw: `-A PREROUTING -s ${address(10)} -j DROP\n`,
      };
      const file = "/run/test/admin.rules";
      const text = tables.map((table) => `*${table}\n${texts[table]}COMMIT\n`).join("");
      Deno.writeTextFileSync(file, text);
      this.#sandbox.run(`${program}-${flavour}-restore`, ["--noflush", "-w", "10", file]);
    }
  }
}
