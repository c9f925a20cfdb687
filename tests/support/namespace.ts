// A network namespace joined to this machine by a cable, in which nftables may drop what it likes. Needs root.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
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

  /** From now on nothing reaches this UDP port in here, from nowhere. */
  dropUdpTo(port: number): void {
    run(`ip netns exec ${this.name} nft -f - <<'RULES'
table inet stoa {
  chain in { type filter hook input priority 0; udp dport ${port} drop; }
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

  /** A command line that runs in here. */
  command(line: [string, ...string[]]): [string, ...string[]] {
    return ["ip", "netns", "exec", this.name, ...line];
  }

  /** A program that runs Chromium in here, with a home directory of its own where one is given. */
  chromium(home?: string): string {
    const path = join(cacheDir("namespaces"), `${this.name}-chromium`);
    const env = home === undefined ? "" : `env HOME=${home} `;
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${env}${chromiumPath} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /**
   * A program that runs Firefox in here. Its enterprise policy has it trust an authority where one is given, and `calls.test` is the
   * machine outside: Firefox takes no address for a TURN server over TLS.
   */
  firefox(path: string, authority?: string): string {
    const script = join(cacheDir("namespaces"), `${this.name}-firefox`);
    const files = join(cacheDir("namespaces"), `${this.name}-files`);
    const distribution = "/usr/lib/firefox-esr/distribution";
    mkdirSync(files, { recursive: true });
    writeFileSync(join(files, "policies.json"), JSON.stringify({ policies: { Certificates: { Install: authority === undefined ? [] : [authority] } } }));
    writeFileSync(join(files, "hosts"), `127.0.0.1 localhost\n${this.outside} calls.test\n`);
    // `ip netns exec` gives a mount namespace as well: nobody else finds these files there.
    const mounts = `mount -t tmpfs none ${distribution} && cp ${files}/policies.json ${distribution}/ && mount --bind ${files}/hosts /etc/hosts`;
    const inside = `${mounts} && exec ${path} "$@"`;
    writeFileSync(script, `#!/bin/sh\nexec ip netns exec ${this.name} /bin/sh -c '${inside}' firefox "$@"\n`);
    chmodSync(script, 0o755);
    return script;
  }

  /** Lets this machine reach a loopback port of the namespace under the same number, past its firewall. */
  bringOut(port: number): ChildProcess[] {
    const socket = join(cacheDir("namespaces"), `${this.name}-${port}`);
    const inside = ["netns", "exec", this.name, "socat", `UNIX-LISTEN:${socket},fork,unlink-early`, `TCP:127.0.0.1:${port}`];
    return [
      spawn("ip", inside, { stdio: "ignore" }),
      spawn("socat", [`TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr`, `UNIX-CONNECT:${socket}`], { stdio: "ignore" }),
    ];
  }

  remove(): void {
    run(`ip netns delete ${this.name} 2>/dev/null || true; ip link delete ${this.cable}o 2>/dev/null || true`);
  }
}
