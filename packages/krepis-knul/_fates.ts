// Handlers that wait for the fate of a connection's datagrams, by the context that the library returns with it.
import { DatagramFate as FateNumber } from "@krepis/core";
import type { DatagramFate } from "./adapter_reports.ts";
import { namesOf } from "./_camel_case.ts";

export type FateHandler = (fate: DatagramFate) => unknown;

const NAMES: readonly (DatagramFate | undefined)[] = namesOf(FateNumber);
const MAX_CONTEXT = 0xffff_ffff;

export class Fates {
  readonly #handlers = new Map<number, FateHandler>();
  #next = 1;

  /** @returns the context that the library returns with the fate; never 0, which means that no fate is reported */
  expect(handler: FateHandler): number {
    const context = this.#next;
    this.#next = context === MAX_CONTEXT ? 1 : context + 1;
    this.#handlers.set(context, handler);
    return context;
  }

  /** Removes the handler of a context. */
  take(context: number): FateHandler | undefined {
    const handler = this.#handlers.get(context);
    this.#handlers.delete(context);
    return handler;
  }

  /** Removes all handlers: the connection has ended, so their datagrams have no known fate. */
  takeAll(): FateHandler[] {
    const handlers = [...this.#handlers.values()];
    this.#handlers.clear();
    return handlers;
  }
}

/** @param fate a KrepisDatagramFate */
export function fateName(fate: number): DatagramFate {
  return NAMES[fate] ?? "dropped";
}
