import type { Failure } from '../../profiler/serve/protocol.ts';

/** Where the process at the door listens. */
export type DoorPlace = { port: number } | { socket: string };

/** Whose rights it keeps. */
export interface Servant {
  uid: number;
  gid: number;
  /** As messages have it. */
  name: string;
}

/** What the door is asked by a browser that has been let in, for the process behind it to answer. */
export type Wish =
  | { page: true }
  /** The question of a review, with what this answer would change. */
  | { review: Readonly<Record<string, string>> }
  /** What a form of a review says. */
  | { act: Readonly<Record<string, string>> };

/** An answer for a browser: a page, or where to go on. */
export type Reply = { status: number; page: string; contentPolicy: string } | { location: string };

export type FromDoor =
  /** It listens. `port` of 127.0.0.1; `inode` of a socket that it cannot remove itself. */
  | { opened: { token: string; port?: number; inode?: string; uid: number } }
  | { failure: Failure }
  /** The token that lets in from now on. */
  | { renewed: string }
  | { wish: Wish; number: number };

export type ToDoor =
  | { open: { place: DoorPlace; servant: Servant | undefined } }
  | { reply: Reply; number: number }
  /** An event of the stream, whole. What it has of connections is counted where a browser does not take it. */
  | { event: LiveEvent }
  /** Another link is wanted. */
  | { renew: true }
  | { end: true };

/** Connections as the page shows them. */
export interface LiveRow {
  /** Of the day, UTC. */
  time: string;
  isNew: boolean;
  verdict: 'allow' | 'deny' | 'noted';
  who: string;
  where: string;
  rule?: string;
  count: number;
}

export type LiveEvent =
  | {
      connections: {
        rows: readonly LiveRow[];
        connections: number;
        new: number;
        denied: number;
        /** Denied by a policy in monitor mode, which stopped nothing. */
        noted: number;
        missed: number;
        lost: number;
      };
    }
  | { state: { following: boolean; text: string } };
