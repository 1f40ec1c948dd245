// Who wants to know what became of a datagram, by the context that travels with it.
import type { DatagramFate } from "./quic_connection.ts";

export type FateHandler = (fate: DatagramFate) => unknown;

const NAMES: DatagramFate[] = ["dropped", "acknowledged", "lost", "dropped"]; // index: KrepisDatagramFate
const MAX_CONTEXT = 0xffff_ffff;

export class Fates {
  readonly #handlers = new Map<number, FateHandler>();
  #next = 1;

  /** @returns the context that the library gives back with the fate; 0 is that of those who do not ask */
  expect(handler: FateHandler): number {
    const context = this.#next;
    this.#next = context === MAX_CONTEXT ? 1 : context + 1;
    this.#handlers.set(context, handler);
    return context;
  }

  forget(context: number): void {
    this.#handlers.delete(context);
  }

  /** Tells once. @returns what the handler returned */
  tell(context: number, fate: number): unknown {
    const handler = this.#handlers.get(context);
    this.#handlers.delete(context);
    return handler?.(NAMES[fate] ?? "dropped");
  }
}
