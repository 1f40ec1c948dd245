// Notes exceptions and rejections that reach the runtime, where they would end the process.

/** Runs `run`. @returns the exceptions and rejections that were not caught until its timers and promises had run */
export async function uncaught(run: () => unknown): Promise<unknown[]> {
  const rejections: unknown[] = [];
  const errors: ErrorEvent[] = [];
  const noteRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    rejections.push(event.reason);
  };
  const noteError = (event: ErrorEvent) => void errors.push(event); // a later listener may prevent it
  globalThis.addEventListener("unhandledrejection", noteRejection);
  globalThis.addEventListener("error", noteError);
  await run();
  // The runtime reports rejections at the end of a turn.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  globalThis.removeEventListener("unhandledrejection", noteRejection);
  globalThis.removeEventListener("error", noteError);
  const left = errors.filter((event) => !event.defaultPrevented);
  return [...rejections, ...left.map((event) => event.error)];
}
