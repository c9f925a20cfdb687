/** What the components say, in English; the keys are what a translation fills in. */

export const english = {
  "person.you": "You",
  "person.several": "{{first}} and {{count}} more",
  "person.nobody": "Nobody else",
  "presence.online": "Online",
  "presence.offline": "Offline",
  "presence.in_call": "In a call",

  "call.voice": "Voice call",
  "call.video": "Video call",
  "call.voiceTo": "Voice call {{name}}",
  "call.videoTo": "Video call {{name}}",
  "call.group": "Group call",
  "call.with": "Call with {{name}}",
  "call.in": "Call in {{channel}}",
  "call.calling": "Calling {{name}}",
  "call.dialing": "Calling…",
  "call.ringing": "Ringing…",
  "call.connecting": "Connecting…",
  "call.reconnecting": "Reconnecting…",
  "call.waiting": "Waiting for the others…",
  "call.length": "Call length",
  "call.announcements": "Call announcements",
  "call.joined": "{{name}} joined",
  "call.left": "{{name}} left",
  "call.sound": "Turn on sound",

  "incoming.voice": "Incoming voice call from {{name}}",
  "incoming.video": "Incoming video call from {{name}}",
  "incoming.voiceIn": "Incoming voice call from {{name}} in {{channel}}",
  "incoming.videoIn": "Incoming video call from {{name}} in {{channel}}",
  "incoming.hintVoice": "Voice call",
  "incoming.hintVideo": "Video call",
  "incoming.hintIn": "in {{channel}}",
  "incoming.acceptVideo": "Accept with video",
  "incoming.acceptVoice": "Accept with voice",
  "incoming.decline": "Decline",

  "tile.screenOf": "{{name}}'s screen",
  "tile.yourScreen": "Your screen",
  "tile.muted": "Muted",
  "tile.cameraOff": "Camera off",
  "tile.weak": "Weak connection",

  "control.bar": "Call controls",
  "control.microphone": "Microphone",
  "control.mute": "Mute (M)",
  "control.unmute": "Unmute (M)",
  "control.camera": "Camera",
  "control.cameraOff": "Turn camera off (V)",
  "control.cameraOn": "Turn camera on (V)",
  "control.screen": "Share screen",
  "control.screenOn": "Share your screen (S)",
  "control.screenOff": "Stop sharing (S)",
  "control.devices": "Devices",
  "control.devicesHint": "Choose devices (D)",
  "control.leave": "Leave call",
  "control.cancel": "Cancel call",

  "device.microphone": "Microphone",
  "device.camera": "Camera",
  "device.speaker": "Speaker",
  "device.default": "System default",
  "device.unnamed": "Device {{number}}",
  "device.none": "None found",
  "device.noise": "Reduce background noise",

  "rejoin.region": "Call in progress elsewhere",
  "rejoin.text": "You are in a call with {{name}}",
  "rejoin.textIn": "You are in the call in {{channel}}",
  "rejoin.action": "Rejoin",
  "running.region": "Call in progress",
  "running.text_one": "{{count}} person is talking",
  "running.text_other": "{{count}} people are talking",
  "running.textNobody": "A call is open here",
  "running.video": "Join with video",
  "running.voice": "Join with voice",
  "running.joinIn": "Join call in {{channel}}",
} as const;

export type Phrase = keyof typeof english;
export type Words = Record<Phrase, string>;

export function speak(words: Words, phrase: Phrase, values: Record<string, string | number> = {}): string {
  return words[phrase].replace(/\{\{(\w+)\}\}/g, (whole, name: string) => String(values[name] ?? whole));
}
