// A TCP cable that can be pulled: relays connections to the server, cuts those that stand, and refuses new ones while cut.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Cable {
  port: number;
  /** Cuts every standing connection. New ones are refused until `mend`. */
  cut(): void;
  mend(): void;
  close(): void;
}

export async function cable(target: number): Promise<Cable> {
  const open = new Set<Socket>();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(target, "127.0.0.1");
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      whole = false;
      drop();
    },
    mend: () => {
      whole = true;
    },
    close: () => {
      drop();
      server.close();
    },
  };
}
