// A certificate authority of the test's own, and a home directory whose Chromium trusts it.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "pipe", "pipe"] });
}

export class Authority {
  readonly dir = mkdtempSync(join(tmpdir(), "stoa-ca-"));
  readonly root = join(this.dir, "root.pem");
  private readonly rootKey = join(this.dir, "root.key");

  constructor() {
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=Stoa test authority", "-keyout", this.rootKey, "-out", this.root);
  }

  /** Signs a certificate for these names, given as in a subjectAltName: `IP:10.0.0.1`, `DNS:a.example`. */
  issue(name: string, subjects: string[]): { cert: string; key: string } {
    const path = (ending: string) => join(this.dir, `${name}.${ending}`);
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`,
      "-keyout", path("key"), "-out", path("csr"));
    writeFileSync(path("ext"), `subjectAltName=${subjects.join(",")}\nextendedKeyUsage=serverAuth\n`);
    run("openssl", "x509", "-req", "-in", path("csr"), "-CA", this.root, "-CAkey", this.rootKey, "-CAcreateserial",
      "-days", "2", "-extfile", path("ext"), "-out", path("pem"));
    return { cert: path("pem"), key: path("key") };
  }

  /** A home directory whose NSS store holds the root. */
  home(): string {
    const home = join(this.dir, "home");
    const store = join(home, ".pki", "nssdb");
    mkdirSync(store, { recursive: true });
    run("certutil", "-d", `sql:${store}`, "-N", "--empty-password");
    run("certutil", "-d", `sql:${store}`, "-A", "-t", "C,,", "-n", "stoa-test", "-i", this.root);
    return home;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
