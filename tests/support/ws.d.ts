// What the tests use of npm's `ws`, which brings no types.
declare module "ws" {
  export default class WebSocket {
    constructor(url: string);
    readonly extensions: string;
    on(event: "open" | "error", listen: (value?: unknown) => void): this;
    on(event: "message", listen: (data: Buffer) => void): this;
    on(event: "close", listen: (code: number) => void): this;
    send(text: string): void;
    close(): void;
  }
}
