import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// For `npm run dev` beside a running server.
const server = process.env.STOA_DEV_SERVER ?? "http://localhost:7880";
const proxied = { target: server, changeOrigin: false, ws: true };

export default defineConfig({
  plugins: [react()],
  // light-dark() must reach the browser as it is: lowered, it no longer follows the colour scheme of an inner element.
  build: { target: "es2022", cssTarget: ["chrome123", "safari17.5", "firefox120"], sourcemap: false, chunkSizeWarningLimit: 700, reportCompressedSize: true },
  server: { port: 5173, proxy: { "/api": proxied, "/socket.io": proxied, "/rtc": proxied } },
});
