import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { compression } from "vite-plugin-compression2";

// For `npm run dev` beside a running server.
const server = process.env.STOA_DEV_SERVER ?? "http://localhost:7880";
const proxied = { target: server, changeOrigin: false, ws: true };

export default defineConfig({
  // The program carries the files compressed, and hands them out as they are.
  plugins: [react(), compression({ algorithms: ["brotliCompress"], include: /\.(html|js|css|svg|json)$/, threshold: 0, deleteOriginalAssets: true })],
  // light-dark() must reach the browser as it is: lowered, it no longer follows the colour scheme of an inner element.
  build: {
    rolldownOptions: { input: ["index.html", "api-docs.html"] },
    target: "es2022", cssTarget: ["chrome123", "safari17.5", "firefox120"], sourcemap: false, chunkSizeWarningLimit: 700, reportCompressedSize: true,
  },
  server: { port: 5173, proxy: { "/api": proxied, "/socket.io": proxied, "/rtc": proxied } },
});
