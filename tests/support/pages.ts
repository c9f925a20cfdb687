// A few pages and scripts over http, for tests that need a bare page instead of the web app.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Pages {
  url: string;
  port: number;
  close(): void;
}

/** Serves the given bodies by path. Paths that end in `.mjs` or `.js` are scripts, all others are HTML. */
export async function servePages(bodies: Record<string, string | Buffer>, host = "127.0.0.1"): Promise<Pages> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://page").pathname;
    const body = bodies[path];
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = /\.m?js$/.test(path) ? "text/javascript" : "text/html";
    response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}/`, port, close: () => server.closeAllConnections() ?? server.close() };
}
