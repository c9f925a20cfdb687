// A bare page around livekit-client: joins a room, puts every subscribed track into the page, and counts what arrives.
import * as lk from "/livekit-client.mjs";

/** Every peer connection that the SDK opens, so that statistics need no private field of it. */
const connections = [];
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...args) {
    super(...args);
    connections.push(this);
  }
};

let room;
const events = [];
const data = [];
/** When each frame was shown, by publisher and source, in milliseconds since the epoch. */
const frames = new Map();

function note(event, detail) {
  events.push({ event, at: Date.now(), detail });
}

function show(track, publication, participant) {
  const element = track.attach();
  element.dataset.identity = participant.identity;
  element.dataset.source = publication.source;
  element.dataset.sid = publication.trackSid;
  element.muted = track.kind === "video";
  element.style.width = "640px";
  element.style.height = "360px";
  document.querySelector("#tracks").append(element);
  if (track.kind !== "video" || element.requestVideoFrameCallback === undefined) return;
  const key = `${participant.identity}/${publication.source}`;
  const times = frames.get(key) ?? [];
  frames.set(key, times);
  const shown = () => {
    times.push(Date.now());
    element.requestVideoFrameCallback(shown);
  };
  element.requestVideoFrameCallback(shown);
}

/** Joins. `options` are livekit-client's RoomOptions, and `rtcConfig` of its RoomConnectOptions. */
async function join(url, token, { rtcConfig, ...options } = {}) {
  room = new lk.Room({ adaptiveStream: false, dynacast: false, ...options });
  room
    .on("trackSubscribed", show)
    .on("trackUnsubscribed", (_track, { trackSid }) =>
      document.querySelectorAll(`[data-sid="${trackSid}"]`).forEach((element) => element.remove()),
    )
    .on("dataReceived", (payload, from, kind, topic) =>
      data.push({ bytes: payload.length, first: payload[0], from: from?.identity, kind, topic }),
    );
  for (const event of [
    "reconnecting",
    "signalReconnecting",
    "reconnected",
    "disconnected",
    "participantConnected",
    "participantDisconnected",
    "trackMuted",
    "trackUnmuted",
    "activeSpeakersChanged",
    "localTrackPublished",
    "mediaDevicesError",
  ]) {
    room.on(event, (...args) => {
      const [first, second] = args;
      const detail =
        event === "activeSpeakersChanged"
          ? first.map((speaker) => speaker.identity)
          : (second?.identity ?? first?.identity ?? (typeof first === "object" ? undefined : first));
      note(event, detail);
    });
  }
  await room.connect(url, token, rtcConfig === undefined ? {} : { rtcConfig });
  return room.localParticipant.identity;
}

/** Publishes the camera. `options` are livekit-client's TrackPublishOptions. */
async function publishCamera(options = {}, { width = 1280, height = 720 } = {}) {
  const publication = await room.localParticipant.setCameraEnabled(
    true,
    { resolution: { width, height, frameRate: 15 } },
    { backupCodec: false, ...options },
  );
  return publication?.trackSid;
}

async function publishMicrophone(options = {}) {
  const publication = await room.localParticipant.setMicrophoneEnabled(true, {}, options);
  return publication?.trackSid;
}

async function publishScreen() {
  await room.localParticipant.setScreenShareEnabled(true, { audio: true });
}

/** Sends `count` packets; the first byte numbers them. */
async function send(count, { reliable, bytes = 1, topic, to }) {
  for (let i = 0; i < count; i += 1) {
    const payload = new Uint8Array(bytes).fill(i % 251);
    await room.localParticipant.publishData(payload, { reliable, topic, destinationIdentities: to });
  }
}

/** Resizes the element of somebody's camera. */
function resize(identity, width, height) {
  const element = document.querySelector(`video[data-identity="${identity}"][data-source="camera"]`);
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
}

/** Asks the server for a layer of somebody's camera: "LOW", "MEDIUM" or "HIGH". */
function choose(identity, quality) {
  const publication = room.remoteParticipants.get(identity).getTrackPublication(lk.Track.Source.Camera);
  publication.setVideoQuality(lk.VideoQuality[quality]);
}

async function stats() {
  const reports = [];
  for (const connection of connections) {
    if (connection.connectionState === "closed") continue;
    for (const report of (await connection.getStats()).values()) reports.push(report);
  }
  return reports;
}

/** What each incoming and outgoing video stream is. */
async function streams() {
  const reports = await stats();
  const codec = (report) => reports.find(({ id }) => id === report.codecId)?.mimeType;
  const of = (type) => reports.filter((report) => report.type === type && report.kind === "video");
  return {
    inbound: of("inbound-rtp").map((report) => ({
      codec: codec(report),
      width: report.frameWidth ?? 0,
      decoded: report.framesDecoded ?? 0,
      decoder: report.decoderImplementation,
      lost: report.packetsLost ?? 0,
      pli: report.pliCount ?? 0,
      // How long a frame waited before it was shown, on average.
      delay: (report.jitterBufferDelay ?? 0) / (report.jitterBufferEmittedCount || 1),
    })),
    outbound: of("outbound-rtp").map((report) => ({
      codec: codec(report),
      rid: report.rid,
      width: report.frameWidth ?? 0,
      sent: report.framesSent ?? 0,
      active: report.active,
      scalability: report.scalabilityMode,
    })),
  };
}

/** The stream that each track of somebody belongs to, by source. */
function streamsOf(identity) {
  const published = [...room.remoteParticipants.get(identity).trackPublications.values()];
  return Object.fromEntries(published.map(({ source, track }) => [source, track?.mediaStream?.id ?? ""]));
}

/** The transports in use: protocol and port at the server's side. */
async function routes() {
  const reports = await stats();
  const byId = new Map(reports.map((report) => [report.id, report]));
  return reports
    .filter(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId !== undefined)
    .map(({ selectedCandidatePairId }) => byId.get(byId.get(selectedCandidatePairId)?.remoteCandidateId))
    .filter((candidate) => candidate !== undefined)
    .map(({ protocol, port }) => ({ protocol, port }));
}

/** How this side's own end of each connection in use reaches the network. */
async function ownRoutes() {
  const reports = await stats();
  const byId = new Map(reports.map((report) => [report.id, report]));
  const chosen = new Set(reports.filter(({ type }) => type === "transport").map(({ selectedCandidatePairId }) => selectedCandidatePairId));
  return reports
    // Firefox marks the pair itself.
    .filter(({ type, id, selected }) => type === "candidate-pair" && (selected || chosen.has(id)))
    .map(({ localCandidateId }) => byId.get(localCandidateId))
    .filter((candidate) => candidate !== undefined)
    .map(({ candidateType, relayProtocol, url }) => ({ candidateType, relayProtocol, url }));
}

/** The summed energy of all sound that arrived. */
async function sound() {
  return (await stats())
    .filter(({ type, kind }) => type === "inbound-rtp" && kind === "audio")
    .reduce((sum, { totalAudioEnergy }) => sum + (totalAudioEnergy ?? 0), 0);
}

window.peer = {
  join,
  publishCamera,
  publishMicrophone,
  publishScreen,
  send,
  resize,
  choose,
  streams,
  streamsOf,
  routes,
  ownRoutes,
  sound,
  mute: (muted) => room.localParticipant.setMicrophoneEnabled(!muted),
  unpublishCamera: () =>
    room.localParticipant.unpublishTrack(room.localParticipant.getTrackPublication(lk.Track.Source.Camera).track),
  leave: () => room.disconnect(),
  state: () => room.state,
  others: () => [...room.remoteParticipants.keys()],
  events: () => events,
  data: () => data,
  frames: (identity, source = "camera") => frames.get(`${identity}/${source}`) ?? [],
};
window.dispatchEvent(new Event("peer-ready"));
