// The real binary on free ports with a data directory of its own.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RoomConfiguration } from "livekit-server-sdk";
import type { Namespace } from "./namespace.ts";
import { cacheDir, root } from "./paths.ts";
import { freePorts } from "./ports.ts";
import { sleep, until } from "./wait.ts";

export const binary = process.env.STOA_TEST_BINARY ?? join(root, "target", "release", "stoa");

export interface StoaOptions {
  /** The address that HTTP listens on; all interfaces are needed by scenes with network namespaces. */
  host?: string;
  /** Text of a `stoa.toml`. */
  config?: string;
  /** Without it the server runs as in production. */
  dev?: boolean;
  extraArgs?: string[];
  /** Without the built-in TURN server where false. */
  relay?: boolean;
  /** First of seven free ports, where the caller must know them beforehand. */
  base?: number;
  /** Runs in there, and is asked at its address; `host` must be all interfaces. */
  network?: Namespace;
}

export interface Ports {
  http: number;
  https: number;
  tcp: number;
  /** First of two. */
  udp: number;
  turn: number;
  admin: number;
}

export class Stoa {
  readonly dataDir: string;
  private child: ChildProcess | undefined;
  private output = "";

  private constructor(
    readonly ports: Ports,
    private readonly options: StoaOptions,
  ) {
    this.dataDir = mkdtempSync(join(cacheDir("data"), "stoa-"));
    if (options.config !== undefined) writeFileSync(join(this.dataDir, "stoa.toml"), options.config);
  }

  /** Starts a server and waits until it answers. */
  static async start(options: StoaOptions = {}): Promise<Stoa> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run \`make build\` first`);
    const base = options.base ?? (await freePorts(7));
    const stoa = new Stoa({ http: base, https: base + 1, tcp: base + 2, udp: base + 3, turn: base + 5, admin: base + 6 }, options);
    await stoa.run();
    return stoa;
  }

  get url(): string {
    return `http://${this.options.network?.inside ?? "127.0.0.1"}:${this.ports.http}`;
  }
  /** The metrics as they now stand. */
  async metrics(): Promise<string> {
    return (await fetch(`http://${this.options.network?.inside ?? "127.0.0.1"}:${this.ports.admin}/metrics`)).text();
  }
  get livekitUrl(): string {
    return `ws://127.0.0.1:${this.ports.http}`;
  }
  /** Everything it has printed so far, both streams. */
  get log(): string {
    return this.output;
  }
  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error("stoa is not running");
    return pid;
  }

  /** Starts it again on the same ports and the same data. */
  async run(): Promise<void> {
    const [program, ...args] = this.command("serve");
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, RUST_BACKTRACE: "1" } });
    this.child = child;
    const keep = (chunk: Buffer) => {
      this.output += chunk.toString();
      if (process.env.STOA_TEST_LOG) process.stderr.write(chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    await until(
      "stoa to answer /healthz",
      async () => {
        if (child.exitCode !== null) return "gone";
        const answer = await fetch(`${this.url}/healthz`);
        return answer.ok && "up";
      },
      { timeout: 30_000, every: 50 },
    );
    if (child.exitCode !== null) throw new Error(`stoa ended with ${child.exitCode}:\n${this.output}`);
  }

  /** A command line for this server's ports and data. */
  private command(word: "serve" | "doctor"): [string, ...string[]] {
    const { http, https, tcp, udp, turn, admin } = this.ports;
    const { host = "127.0.0.1", dev = true, config, extraArgs = [], relay = true, network } = this.options;
    const line = [
      ...[binary, word],
      ...(dev ? ["--dev"] : []),
      ...["--data-dir", this.dataDir],
      ...["--http", `${host}:${http}`, "--https", `${host}:${https}`, "--admin-http", `${host}:${admin}`],
      ...["--tcp-port", `${tcp}`, "--udp-ports", `${udp}-${udp + 1}`, "--workers", "2", "--turn-port", relay ? `${turn}` : "off"],
      ...(config === undefined ? [] : ["--config", join(this.dataDir, "stoa.toml")]),
      ...extraArgs,
    ] as [string, ...string[]];
    return network === undefined ? line : network.command(line);
  }

  /** What `stoa doctor` prints beside the running server, line by line. */
  async doctor(): Promise<string[]> {
    const [program, ...args] = this.command("doctor");
    const output = await promisify(execFile)(program, args).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }));
    return output.stdout.split("\n");
  }

  /** Ends it with a signal and answers how many milliseconds that took and the exit code. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<{ took: number; code: number | null }> {
    const child = this.child;
    if (child === undefined) return { took: 0, code: null };
    const began = Date.now();
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill(signal);
      const late = sleep(15_000).then(() => child.kill("SIGKILL"));
      await Promise.race([ended, late]);
      await ended;
    }
    this.child = undefined;
    return { took: Date.now() - began, code: child.exitCode };
  }

  /** Ends it and removes its data; a panic in its log is a failure, whatever else went well. */
  async dispose(): Promise<void> {
    await this.end();
    rmSync(this.dataDir, { recursive: true, force: true });
    const panic = this.output.split("\n").find((line) => line.includes("panicked at"));
    if (panic !== undefined) throw new Error(`stoa panicked: ${panic}`);
  }

  /** `stoa token …` for this server's data directory. */
  async token(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(binary, ["token", ...args, "--data-dir", this.dataDir]);
    return stdout.trim();
  }

  /** A LiveKit token made by LiveKit's own SDK from the development key. */
  async livekitToken(room: string, identity: string, roomConfig?: RoomConfiguration): Promise<string> {
    const { AccessToken } = await import("livekit-server-sdk");
    const token = new AccessToken("devkey", "secret", { identity, name: identity, ttl: "30m" });
    token.addGrant({ room, roomJoin: true, canPublish: true, canSubscribe: true, canPublishData: true });
    if (roomConfig !== undefined) token.roomConfig = roomConfig;
    return token.toJwt();
  }
}
