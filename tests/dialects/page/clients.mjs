// Clients as their own documents describe them, with the browser's own RTCPeerConnection. Each has `log`, what it heard in order.
import { io } from "/socket.io.mjs";

const connections = [];

function connection(iceServers) {
  const pc = new RTCPeerConnection({ iceServers });
  connections.push(pc);
  return pc;
}

function show(who, stream) {
  for (const kind of ["video", "audio"]) {
    if (document.querySelector(`${kind}[data-who="${who}"]`)) continue;
    const element = document.createElement(kind);
    element.dataset.who = who;
    element.autoplay = true;
    element.muted = kind === "video";
    element.srcObject = stream;
    document.querySelector("#streams").append(element);
    void element.play();
  }
}

const media = () => navigator.mediaDevices.getUserMedia({ audio: true, video: true });

function rest(base, token) {
  return async (method, path, body) => {
    const answer = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.json();
  };
}

/** REST to ring, `call:offer`, `call:answer`, `call:ice-candidate` over the main namespace to connect. */
class CallManager {
  log = [];
  constructor(base, token, transports) {
    this.api = rest(base, token);
    this.socket = io(base, { auth: { token }, transports });
    for (const event of ["call:incoming", "call:accepted", "call:participant-joined", "call:participant-left", "call:ended", "call:media-state-changed"]) {
      this.socket.on(event, (data) => this.log.push([event, data]));
    }
    this.socket.on("call:incoming", ({ callId, caller }) => {
      this.callId = callId;
      this.from = caller.id;
    });
    this.socket.on("call:participant-joined", async ({ callId, userId }) => {
      await this.open(userId);
      const offer = await this.pc.createOffer();
      await this.pc.setLocalDescription(offer);
      this.socket.emit("call:offer", { callId, to: userId, offer });
    });
    // One after another: a candidate waits for the connection that its offer opens.
    let order = Promise.resolve();
    const inOrder = (event, hear) => this.socket.on(event, (data) => (order = order.then(() => hear(data))));
    inOrder("call:offer", async ({ callId, from, offer }) => {
      await this.open(from);
      await this.pc.setRemoteDescription(offer);
      const answer = await this.pc.createAnswer();
      await this.pc.setLocalDescription(answer);
      this.socket.emit("call:answer", { callId, to: from, answer });
    });
    inOrder("call:answer", ({ answer }) => this.pc.setRemoteDescription(answer));
    inOrder("call:ice-candidate", ({ candidate }) => this.pc.addIceCandidate(candidate));
    this.ready = new Promise((resolve) => this.socket.on("connect", resolve));
  }
  async open(peer) {
    const { iceServers } = await this.api("GET", "/api/calls/turn-credentials");
    this.pc = connection(iceServers);
    this.pc.ontrack = ({ streams }) => show(peer, streams[0]);
    this.pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.socket.emit("call:ice-candidate", { callId: this.callId, to: peer, candidate });
    };
    const stream = await media();
    for (const track of stream.getTracks()) this.pc.addTrack(track, stream);
  }
  async call(targetUserId, type) {
    const answer = await this.api("POST", "/api/calls/initiate", { targetUserId, type });
    this.callId = answer.call.id;
    return answer;
  }
  answer = () => this.api("POST", `/api/calls/${this.callId}/answer`);
  end = () => this.api("POST", `/api/calls/${this.callId}/end`);
}

/** A mesh over the `/webrtc` namespace: whoever joins offers to those who are there. */
class MeshClient {
  log = [];
  peers = new Map();
  users = new Map();
  constructor(base, token) {
    this.base = base;
    this.token = token;
    this.socket = io(`${base}/webrtc`, { auth: { token }, transports: ["websocket"] });
    for (const event of ["call.incoming", "call.participants", "participant.joined", "participant.left", "participant.muted", "participant.video-toggled"]) {
      this.socket.on(event, (data) => this.log.push([event, data]));
    }
    this.socket.on("call.participants", async ({ participants }) => {
      for (const { socketId, userId } of participants) {
        this.users.set(socketId, userId);
        const pc = this.peer(socketId);
        const offer = await pc.createOffer();
        await pc.setLocalDescription(offer);
        this.socket.emit("call.offer", { to: socketId, offer });
      }
    });
    this.socket.on("participant.joined", ({ socketId, userId }) => this.users.set(socketId, userId));
    this.socket.on("call.offer", async ({ from, offer }) => {
      const pc = this.peer(from);
      await pc.setRemoteDescription(new RTCSessionDescription(offer));
      const answer = await pc.createAnswer();
      await pc.setLocalDescription(answer);
      this.socket.emit("call.answer", { to: from, answer });
    });
    this.socket.on("call.answer", ({ from, answer }) => this.peers.get(from)?.setRemoteDescription(new RTCSessionDescription(answer)));
    this.socket.on("call.ice-candidate", ({ from, candidate }) => {
      if (candidate) void this.peers.get(from)?.addIceCandidate(new RTCIceCandidate(candidate));
    });
    this.socket.on("participant.left", ({ socketId }) => {
      this.peers.get(socketId)?.close();
      this.peers.delete(socketId);
      document.querySelectorAll(`[data-who="${this.users.get(socketId)}"]`).forEach((element) => element.remove());
    });
    this.ready = new Promise((resolve) => this.socket.on("connect", resolve));
  }
  peer(socketId) {
    const pc = connection(this.iceServers);
    for (const track of this.localStream.getTracks()) pc.addTrack(track, this.localStream);
    pc.ontrack = ({ streams }) => show(this.users.get(socketId), streams[0]);
    pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.socket.emit("call.ice-candidate", { to: socketId, candidate });
    };
    this.peers.set(socketId, pc);
    return pc;
  }
  async startCall(callId, userId) {
    this.callId = callId;
    this.iceServers = await rest(this.base, this.token)("GET", "/api/webrtc/ice-servers");
    this.localStream = await media();
    this.socket.emit("call.join", { callId, userId });
  }
  mute(isMuted) {
    this.localStream.getAudioTracks().forEach((track) => (track.enabled = !isMuted));
    this.socket.emit("call.mute", { callId: this.callId, isMuted });
  }
  video(isVideoEnabled) {
    this.localStream.getVideoTracks().forEach((track) => (track.enabled = isVideoEnabled));
    this.socket.emit("call.video-toggle", { callId: this.callId, isVideoEnabled });
  }
  endCall() {
    this.peers.forEach((pc) => pc.close());
    this.socket.emit("call.leave", { callId: this.callId });
  }
  drop = () => this.socket.disconnect();
}

/** One against one over the raw WebSocket, chat in a data channel. */
class RawManager {
  log = [];
  chat = [];
  constructor(base, token) {
    this.base = base;
    this.token = token;
    this.api = rest(base, token);
  }
  async initialize(callId, peer) {
    this.pc = connection([]);
    this.pc.ontrack = ({ streams }) => show(peer, streams[0]);
    this.pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.send({ type: "ice_candidate", candidate: candidate.toJSON() });
    };
    this.pc.onconnectionstatechange = () => this.send({ type: "connection_state", state: this.pc.connectionState });
    this.pc.ondatachannel = ({ channel }) => this.talk(channel);
    const stream = await media();
    for (const track of stream.getTracks()) this.pc.addTrack(track, stream);
    this.socket = new WebSocket(`${this.base.replace("http", "ws")}/ws/webrtc/${callId}?token=${this.token}`);
    let order = Promise.resolve();
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.log.push(message);
      order = order.then(() => this.hear(message));
    };
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("refused"));
    });
  }
  talk(channel) {
    this.channel = channel;
    channel.onmessage = ({ data }) => this.chat.push(JSON.parse(data));
  }
  send = (message) => this.socket.readyState === WebSocket.OPEN && this.socket.send(JSON.stringify(message));
  async offer() {
    this.talk(this.pc.createDataChannel("chat"));
    const offer = await this.pc.createOffer();
    await this.pc.setLocalDescription(offer);
    this.send({ type: "offer", offer: { type: offer.type, sdp: offer.sdp } });
  }
  async hear(message) {
    if (message.type === "offer") {
      await this.pc.setRemoteDescription(message.offer);
      const answer = await this.pc.createAnswer();
      await this.pc.setLocalDescription(answer);
      this.send({ type: "answer", answer: { type: answer.type, sdp: answer.sdp } });
    } else if (message.type === "answer") {
      await this.pc.setRemoteDescription(message.answer);
    } else if (message.type === "ice_candidate") {
      await this.pc.addIceCandidate(message.candidate);
    }
  }
  sendChatMessage(message) {
    this.channel.send(JSON.stringify({ type: "text", message, timestamp: new Date().toISOString() }));
  }
  state = () => this.pc.connectionState;
}

/** The ports on which media arrives: those of the other browser, not the server's. */
async function remotePorts() {
  const ports = [];
  for (const pc of connections) {
    if (pc.connectionState !== "connected") continue;
    const stats = await pc.getStats();
    const pairs = [...stats.values()].filter((stat) => stat.type === "candidate-pair" && stat.state === "succeeded" && stat.nominated);
    pairs.forEach((pair) => ports.push(stats.get(pair.remoteCandidateId).port));
  }
  return ports;
}

window.clients = { CallManager, MeshClient, RawManager, remotePorts };
