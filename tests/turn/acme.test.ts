// The certificate of a domain, from a certificate authority on this machine.
import { spawn, execFileSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createSocket, type Socket } from "node:dgram";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { freePorts } from "../support/ports.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The certificate that a TLS server shows for a name. */
function shown(port: number, servername: string): Promise<{ issuer: string; fingerprint: string; socket: TLSSocket }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const { issuer, fingerprint256 } = socket.getPeerCertificate();
      resolve({ issuer: String(issuer.CN), fingerprint: fingerprint256, socket });
    });
  });
}

/** Answers every name with 127.0.0.1, as the authority must find the domain here. */
async function names(port: number): Promise<void> {
  const server: Socket = createSocket("udp4");
  server.on("message", (query, from) => {
    const question = query.subarray(12);
    const end = question.indexOf(0) + 5;
    const wantsAddress = question.readUInt16BE(end - 4) === 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8580, 2);
    header.writeUInt16BE(wantsAddress ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    server.send(Buffer.concat([header, question.subarray(0, end), ...(wantsAddress ? [answer] : [])]), from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(port, "127.0.0.1", resolve));
  ends.push(() => void server.close());
}

async function pebble(authority: Authority, https: number): Promise<string> {
  const base = await freePorts(3);
  const dir = mkdtempSync(join(tmpdir(), "stoa-pebble-"));
  ends.push(() => rmSync(dir, { recursive: true, force: true }));
  const { cert, key } = authority.issue("pebble", ["DNS:localhost", "IP:127.0.0.1"]);
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${base}`,
      managementListenAddress: `127.0.0.1:${base + 1}`,
      certificate: cert,
      privateKey: key,
      httpPort: 80,
      tlsPort: https,
      ocspResponderURL: "",
      externalAccountBindingRequired: false,
    },
  };
  writeFileSync(join(dir, "pebble.json"), JSON.stringify(config));
  await names(base + 2);
  const child: ChildProcess = spawn("pebble", ["-config", join(dir, "pebble.json"), "-dnsserver", `127.0.0.1:${base + 2}`], {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "0" },
    stdio: ["ignore", "ignore", "ignore"],
  });
  ends.push(() => void child.kill());
  await until("pebble to answer", async () => {
    const { socket } = await shown(base, "localhost");
    socket.destroy();
    return "up";
  });
  return `https://localhost:${base}/dir`;
}

it("asks for the certificate of its domain, and keeps it over a restart", async () => {
  const authority = new Authority();
  ends.push(() => authority.remove());
  const base = await freePorts(7);
  const directory = await pebble(authority, base + 1);
  const stoa = await Stoa.start({
    dev: false,
    base,
    config: `domain = "calls.test"\n[acme]\ndirectory = "${directory}"\nemail = "ops@calls.test"\nca = "${authority.root}"\n[turn]\ntls_port = "off"\n`,
  });
  ends.push(() => stoa.dispose());
  const first = await until("a certificate of pebble's", async () => {
    const found = await shown(stoa.ports.https, "calls.test");
    found.socket.destroy();
    return found.issuer.startsWith("Pebble") && found;
  }, { timeout: 60_000 });
  expect(stoa.log).toContain("using a new certificate");
  await stoa.end();
  await stoa.run();
  const again = await until("the certificate to be served again", () => shown(stoa.ports.https, "calls.test"), { timeout: 20_000 });
  again.socket.destroy();
  expect(again.fingerprint).toBe(first.fingerprint);
});

it("takes its operator's certificate anew when the files change, and drops no connection", async () => {
  const authority = new Authority();
  ends.push(() => authority.remove());
  const { cert, key } = authority.issue("first", ["DNS:calls.test"]);
  const stoa = await Stoa.start({
    config: `[tls]\ncert = "${cert}"\nkey = "${key}"\n[turn]\ntls_port = "off"\n`,
  });
  ends.push(() => stoa.dispose());
  const before = await shown(stoa.ports.https, "calls.test");
  const next = authority.issue("second", ["DNS:calls.test"]);
  execFileSync("cp", [next.key, key]);
  execFileSync("cp", [next.cert, cert]);
  await until("the new certificate", async () => {
    const now = await shown(stoa.ports.https, "calls.test");
    now.socket.destroy();
    return now.fingerprint !== before.fingerprint;
  }, { timeout: 30_000 });
  const answer = new Promise<string>((resolve) => before.socket.once("data", (data: Buffer) => resolve(data.toString())));
  before.socket.write("GET /healthz HTTP/1.1\r\nHost: calls.test\r\nConnection: close\r\n\r\n");
  expect(await answer).toContain("200 OK");
  before.socket.destroy();
});
