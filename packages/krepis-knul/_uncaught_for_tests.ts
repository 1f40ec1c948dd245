// What gets past the package into the runtime, where it would end the process.

/** The exceptions and rejections that nobody caught while `run` and what it started ran. */
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
