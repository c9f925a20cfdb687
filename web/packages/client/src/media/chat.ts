/** Chat messages: their format on a data channel, the same peer to peer and in a room. Pure. */

/** A message in a call's chat. */
export interface ChatMessage {
  /** Unique among its sender's messages. */
  id: string;
  /** Who sent it. */
  userId: string;
  /** Never empty, and at most `LONGEST_TEXT` long. */
  text: string;
  /** When it was sent or received, in milliseconds on this machine's clock. */
  at: number;
}

/** The topic of a room's data messages that are chat. */
export const CHAT_TOPIC = "stoa.chat";
/** The longest text of a message, in UTF-16 code units, as JavaScript counts. What is longer is cut off. */
export const LONGEST_TEXT = 2_000;
const MOST_KEPT = 500;

export function encodeChat(message: Pick<ChatMessage, "id" | "text">): string {
  return JSON.stringify({ t: "chat", id: message.id, text: message.text });
}

/** Null if it isn't a message. The channel knows who sent it; the message doesn't get a say. */
export function decodeChat(data: unknown, userId: string, at: number): ChatMessage | null {
  if (typeof data !== "object" || data === null) return null;
  const { t, id, text } = data as Record<string, unknown>;
  if (t !== "chat" || typeof id !== "string" || typeof text !== "string" || id.length > 64) return null;
  const trimmed = text.slice(0, LONGEST_TEXT).trim();
  return trimmed === "" ? null : { id, userId, text: trimmed, at };
}

/** The list with one more message. While a call moves, a message may come both ways; it's kept once. */
export function withMessage(list: readonly ChatMessage[], message: ChatMessage): readonly ChatMessage[] {
  if (list.some((one) => one.id === message.id && one.userId === message.userId)) return list;
  return [...list, message].slice(-MOST_KEPT);
}

/** Parses JSON; null if it isn't any. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
