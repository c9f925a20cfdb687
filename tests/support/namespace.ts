// A network namespace joined to this machine by a cable, in which nftables may drop what it likes. Needs root.
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromiumPath } from "./browser.ts";
import { cacheDir } from "./paths.ts";

function run(command: string): void {
  execFileSync("/bin/sh", ["-ec", command], { stdio: ["ignore", "pipe", "pipe"] });
}

export class Namespace {
  /** The address of this machine as seen from inside. */
  readonly outside: string;
  readonly inside: string;
  private readonly name: string;
  private readonly cable: string;

  private constructor() {
    const id = process.pid % 10_000;
    this.name = `stoa-${id}`;
    this.cable = `st${id}`;
    const subnet = `10.${64 + (id >> 6) % 64}.${(id & 63) * 4}`;
    this.outside = `${subnet}.1`;
    this.inside = `${subnet}.2`;
  }

  static create(): Namespace {
    const ns = new Namespace();
    ns.remove();
    run(`
      ip netns add ${ns.name}
      ip link add ${ns.cable}o type veth peer name ${ns.cable}i netns ${ns.name}
      ip addr add ${ns.outside}/30 dev ${ns.cable}o
      ip link set ${ns.cable}o up
      ip -n ${ns.name} link set lo up
      ip -n ${ns.name} addr add ${ns.inside}/30 dev ${ns.cable}i
      ip -n ${ns.name} link set ${ns.cable}i up
      ip -n ${ns.name} route add default via ${ns.outside}
    `);
    return ns;
  }

  /** From now on no UDP packet passes, in either direction. */
  dropUdp(): void {
    run(`ip netns exec ${this.name} nft -f - <<'RULES'
table inet stoa {
  chain in { type filter hook input priority 0; meta l4proto udp iifname != "lo" drop; }
  chain out { type filter hook output priority 0; meta l4proto udp oifname != "lo" drop; }
}
RULES`);
  }

  /** From now on programs in here cannot reach each other by UDP; what is outside they can. */
  dropUdpInside(): void {
    run(`ip netns exec ${this.name} nft -f - <<'RULES'
table inet stoa {
  chain in { type filter hook input priority 0; meta l4proto udp iifname "lo" drop; }
}
RULES`);
  }

  /** From now on nothing goes out but to these ports, and nothing comes in but the answers. */
  allowOnly({ udp = [], tcp = [] }: { udp?: number[]; tcp?: number[] }): void {
    const ports = (protocol: string, list: number[]) =>
      list.length === 0 ? "" : `${protocol} dport { ${list.join(", ")} } accept;`;
    run(`ip netns exec ${this.name} nft -f - <<'RULES'
table inet stoa {
  chain in { type filter hook input priority 0; policy drop; iifname "lo" accept; ct state established,related accept; }
  chain out { type filter hook output priority 0; policy drop; oifname "lo" accept; ${ports("udp", udp)} ${ports("tcp", tcp)} }
}
RULES`);
  }

  allowUdp(): void {
    run(`ip netns exec ${this.name} nft delete table inet stoa 2>/dev/null || true`);
  }

  /** A program that runs Chromium in here, with a home directory of its own where one is given. */
  chromium(home?: string): string {
    const path = join(cacheDir("namespaces"), `${this.name}-chromium`);
    const env = home === undefined ? "" : `env HOME=${home} `;
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${env}${chromiumPath} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  remove(): void {
    run(`ip netns delete ${this.name} 2>/dev/null || true; ip link delete ${this.cable}o 2>/dev/null || true`);
  }
}
