// Types of cable.js. Times are in milliseconds.

/** Where a stream's log was last read: the log's incarnation, and the place in it. */
export interface Position {
  epoch: string;
  offset: number;
}

/** Positions by stream name. */
export type Positions = Record<string, Position>;

/** What comes with a message. */
export interface Meta extends Partial<Position> {
  /** The stream that it was published to. Undefined for what no stream carried. */
  stream?: string;
  /** It is not in the log (a whisper, a broadcast): it has no position and is never replayed. */
  fleeting: boolean;
}

export interface Member {
  id: string;
  info?: any;
}

export type PresenceEvent =
  | { type: "join"; id: string; info?: any }
  | { type: "leave"; id: string }
  | { type: "info"; total: number; records?: Member[] }
  | { type: "error" };

/** What a subscription calls. All are optional; one that throws is reported and stops nothing. */
export interface Handlers<Message = any> {
  received?(message: Message, meta: Meta): void;
  /** The server has confirmed; `again` after a reconnect. */
  confirmed?(how: { again: boolean }): void;
  /** The server refused. It will not be asked again. */
  rejected?(): void;
  /** Messages are missing that the server can no longer give: refresh what the page shows. */
  gap?(): void;
  presence?(event: PresenceEvent): void;
  /** The signed position at which the page was rendered: replay starts there. Not part of the identifier. */
  position?: string;
  /** Plain positions to start from, as another subscription's `positions` gave them; before `position`. */
  after?: Positions;
}

/** The parts of the browser that the cable uses. Functions are called without `this`. */
export interface Environment {
  WebSocket: new (url: string, protocols: string[]) => any;
  window?: EventTarget;
  document?: EventTarget & { readonly hidden: boolean };
  navigator?: { readonly onLine: boolean };
  location?: { readonly href: string };
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a clock that is never set. */
  steady(): number;
  /** At least 0, less than 1. */
  random(): number;
  /** A new name for what is published: 128 random bits in 22 to 64 visible ASCII characters. */
  nonce(): string;
  setTimeout(act: () => void, delay: number): any;
  clearTimeout(timer: any): void;
}

export type Token = string | null | undefined;

export interface Options {
  /** The credential, or how to get one: called for every attempt, so also after `token_expired`. */
  token?: Token | (() => Token | Promise<Token>);
  /** As the subprotocol `anycable-token.TOKEN` (the default), or as `?jid=TOKEN`, which logs may keep. */
  tokenVia?: "protocol" | "query";
  /** How often the server pings. Default 3,000. */
  pingInterval?: number;
  /** The n-th attempt, from 0, waits a random part of min(backoffCap, backoffBase * 2^n). Default 1,000. */
  backoffBase?: number;
  /** Default 30,000. */
  backoffCap?: number;
  /** Clients of a server that restarts come back over this time. Default 5,000. */
  restartWindow?: number;
  /**
   * For how long what may have been published is repeated; behind it `publish` is rejected as "unanswered".
   * 30,000 less than the engine remembers the ids of messages for. Default 90,000.
   */
  repeatWindow?: number;
  env?: Partial<Environment>;
}

export type State = "connecting" | "open" | "waiting" | "offline" | "closed";

/** One WebSocket, kept alive, and the subscriptions on it. Connects at once. */
export class Cable extends EventTarget {
  /** `url` is by default "/cable" of the page's origin; http becomes ws, https becomes wss. */
  constructor(url?: string | URL, options?: Options);

  /** Each change fires "statechange". */
  readonly state: State;
  /** When the next attempt is due, since 1970; null unless waiting for one. */
  readonly retryAt: number | null;
  /** Why it is closed: the server's word ("unauthorized"), or ours; null unless closed. */
  readonly reason: string | null;

  /** Tries now: instead of waiting, or after the cable was closed. */
  open(): void;
  /** Ends the connection until `open`. Subscriptions keep their positions; what waits to be published is rejected. */
  close(reason?: string): void;

  /**
   * Subscribes to a channel (its name, or its parameters), now or once connected. Uses of the same
   * channel and parameters share one subscription on the wire.
   */
  subscribe<Message = any>(
    channel: string | { channel: string; [param: string]: unknown },
    handlers?: Handlers<Message> | NonNullable<Handlers<Message>["received"]>,
  ): Subscription<Message>;
  /** A public stream, where the server allows them. */
  stream<Message = any>(
    name: string,
    handlers?: Handlers<Message> | NonNullable<Handlers<Message>["received"]>,
  ): Subscription<Message>;
  /** A stream by its signed name. */
  signedStream<Message = any>(
    signedName: string,
    handlers?: Handlers<Message> | NonNullable<Handlers<Message>["received"]>,
  ): Subscription<Message>;

  addEventListener(
    type: "statechange",
    listener: ((this: Cable, event: Event) => void) | EventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Why `publish` was rejected. */
export class PublishError extends Error {
  constructor(reason: string, uncertain?: boolean);
  /**
   * The server's word: "denied", "invalid", "too_large", "unsupported" (the channel takes no messages),
   * "failed" (the channel said no), "no_subscription". Or ours: "rejected" and "unsubscribed" (the
   * subscription), "closed" (the cable), "too_many" (1,000 wait already), "unanswered" (repeatWindow).
   */
  readonly reason: string;
  /** It may have been published all the same: it was sent, and the answer did not come. */
  readonly uncertain: boolean;
}

/**
 * One use of a channel by the page. Iterating gives the messages from the first `next()` on, and throws
 * on a gap and when more than a thousand messages wait.
 */
export class Subscription<Message = any> implements AsyncIterable<{ message: Message } & Meta> {
  private constructor();

  readonly identifier: string;
  readonly state: "pending" | "confirmed" | "rejected" | "unsubscribed";
  /** What was last received of each stream. */
  readonly positions: Positions;

  /**
   * Sends to the channel. False, and nothing is sent, unless confirmed now; true does not mean received.
   * A TypeError for what the protocol cannot carry: "", 0, false, null, undefined.
   */
  send(data: unknown): boolean;
  /** Calls an action of the channel with its parameters; otherwise as `send`. */
  perform(action: string, data?: Record<string, unknown>): boolean;
  /**
   * Publishes through the channel: as soon as there is a connection, again after every cut and outage until
   * it is answered, stored once, and in the order of the calls. Resolves to its position; undefined where
   * the channel is the application's own. Rejects with a PublishError; with the signal's reason, after which
   * it may still have been published; with a TypeError as `send`.
   */
  publish(data: unknown, options?: { signal?: AbortSignal }): Promise<Position | undefined>;
  /** Sends to the other subscribers, past the log; otherwise as `send`. */
  whisper(data: unknown): boolean;

  /** Is present, from now on and after every reconnect. The server takes the id from the identity. */
  join(info?: unknown, id?: string): void;
  leave(): void;
  /** Who is present. Waits for a connection; rejected after ten seconds, or when the server refuses. */
  who(): Promise<{ total: number; records: Member[] }>;

  unsubscribe(): void;
  [Symbol.asyncIterator](): AsyncGenerator<{ message: Message } & Meta, void, undefined>;
}

/**
 * Defines the element `<cable-stream signed-stream-name position>`, which has Turbo render what it
 * receives and refreshes the page on a gap. Fires cable:confirmed, cable:rejected and the cancelable
 * cable:gap, which bubble. Does nothing when the tag is taken.
 */
export function defineCableStream(cable?: Cable, tag?: string): void;
