// Promises that the program may leave alone. Without an observer, the rejection of one ends the process, so every
// promise that the package gives out and that a peer can make fail passes through here when it is made.

/** The same promise. Whoever awaits it still sees its rejection. */
export function observed<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** As `Promise.withResolvers`, with an observed promise. */
export function observedResolvers<T>(): PromiseWithResolvers<T> {
  const resolvers = Promise.withResolvers<T>();
  resolvers.promise.catch(ignore);
  return resolvers;
}

/** As `Promise.reject`, observed. */
export function rejected(error: unknown): Promise<never> {
  return observed(Promise.reject(error));
}

/** The same object, of which the promises that these methods give out are observed. */
export function observeMethods<T extends object>(target: T, ...names: (keyof T)[]): T {
  for (const name of names) {
    const method = target[name] as (...args: unknown[]) => Promise<unknown>;
    const value = (...args: unknown[]) => observed(method.apply(target, args));
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
  return target;
}

function ignore(): void {}
