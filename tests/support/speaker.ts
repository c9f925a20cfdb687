// A sound card that nobody hears: without any, Firefox runs no WebAudio.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./wait.ts";

export interface Speaker {
  /** For the environment of who is to have it. */
  env: Record<string, string>;
  close(): void;
}

export async function startSpeaker(): Promise<Speaker> {
  const dir = mkdtempSync(join(tmpdir(), "stoa-sound-"));
  const socket = join(dir, "socket");
  const server = spawn(
    "pulseaudio",
    ["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--load=module-null-sink", `--load=module-native-protocol-unix auth-anonymous=1 socket=${socket}`],
    { stdio: "ignore", env: { ...process.env, HOME: dir, XDG_RUNTIME_DIR: dir } },
  );
  let failed: Error | undefined;
  server.once("error", (error) => (failed = error));
  await until("pulseaudio to listen", () => failed !== undefined || existsSync(socket));
  if (failed !== undefined) throw failed;
  const close = (): void => {
    server.once("exit", () => rmSync(dir, { recursive: true, force: true }));
    server.kill();
  };
  return { env: { PULSE_SERVER: `unix:${socket}` }, close };
}
