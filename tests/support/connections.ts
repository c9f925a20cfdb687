// What a page's WebRTC connections say of themselves: what to read when a picture does not come.
import type { BrowserContext, Page } from "playwright-core";

/** A page whose connections are watched. */
export interface Watched {
  connections?: RTCPeerConnection[];
}

/** Keeps every connection that the context's pages make within sight. */
export async function watchConnections(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const made: RTCPeerConnection[] = ((globalThis as Watched).connections = []);
    const Native = globalThis.RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Native {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        made.push(this);
      }
    };
  });
}

/** A line for each connection, each stream of it, and each video that is on the page. */
export async function describeConnections(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const lines: string[] = [];
    for (const [index, connection] of ((globalThis as Watched).connections ?? []).entries()) {
      lines.push(`connection ${index}: ${connection.connectionState}, ICE ${connection.iceConnectionState}, ${connection.signalingState}`);
      if (connection.connectionState === "closed") continue;
      const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Record<string, unknown> & { type: string }>;
      const wanted = {
        "inbound-rtp": ["kind", "trackIdentifier", "packetsReceived", "framesDecoded", "keyFramesDecoded", "freezeCount", "pliCount", "nackCount"],
        "outbound-rtp": ["kind", "rid", "active", "packetsSent", "framesEncoded", "keyFramesEncoded", "pliCount", "targetBitrate", "qualityLimitationReason"],
        "media-source": ["kind", "frames"],
        transport: ["bytesSent", "bytesReceived", "selectedCandidatePairChanges"],
      } as Record<string, string[]>;
      for (const entry of report.values()) {
        const keys = wanted[entry.type];
        if (keys) lines.push(`  ${entry.type} ${keys.flatMap((key) => (entry[key] === undefined ? [] : [`${key}=${String(entry[key])}`])).join(" ")}`);
        if (entry.type === "candidate-pair" && entry["nominated"] === true) {
          const end = (id: unknown) => report.get(String(id));
          const [local, remote] = [end(entry["localCandidateId"]), end(entry["remoteCandidateId"])];
          lines.push(`  pair ${String(local?.["candidateType"])}/${String(local?.["protocol"])} to ${String(remote?.["candidateType"])} ${String(entry["state"])} received=${String(entry["bytesReceived"])}`);
        }
      }
    }
    for (const video of document.querySelectorAll("video")) {
      const tracks = video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks() : [];
      const shown = video.getVideoPlaybackQuality().totalVideoFrames;
      lines.push(`video ${video.closest("[aria-label]")?.getAttribute("aria-label")}: paused=${video.paused} frames=${shown} ${tracks.map((t) => `${t.id} ${t.readyState} muted=${t.muted} enabled=${t.enabled}`).join("; ")}`);
    }
    return lines;
  });
}
