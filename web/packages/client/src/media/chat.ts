/** Words said beside the voices: their form on a data channel, the same peer to peer and in a room. Pure. */

export interface ChatMessage {
  id: string;
  userId: string;
  text: string;
  /** Milliseconds on this machine's clock, when it was sent or came. */
  at: number;
}

export const CHAT_TOPIC = "stoa.chat";
export const LONGEST_TEXT = 2_000;
const MOST_KEPT = 500;

export function encodeChat(message: Pick<ChatMessage, "id" | "text">): string {
  return JSON.stringify({ t: "chat", id: message.id, text: message.text });
}

/** Null for what is no message. Who sent it is the channel's to know, not the message's. */
export function decodeChat(data: unknown, userId: string, at: number): ChatMessage | null {
  if (typeof data !== "object" || data === null) return null;
  const { t, id, text } = data as Record<string, unknown>;
  if (t !== "chat" || typeof id !== "string" || typeof text !== "string" || id.length > 64) return null;
  const trimmed = text.slice(0, LONGEST_TEXT).trim();
  return trimmed === "" ? null : { id, userId, text: trimmed, at };
}

/** The list with one more: each message once, though it may come on both ways while a call moves. */
export function withMessage(list: readonly ChatMessage[], message: ChatMessage): readonly ChatMessage[] {
  if (list.some((one) => one.id === message.id && one.userId === message.userId)) return list;
  return [...list, message].slice(-MOST_KEPT);
}

/** What a text says, or null where it is no JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
