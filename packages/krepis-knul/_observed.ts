// Promises that the program may leave alone. Without an observer, the rejection of one ends the process, so every
// promise that the package gives out and that a peer can make fail passes through here when it is made.

/** The same promise. Whoever awaits it still sees its rejection. */
export function observed<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** As `Promise.withResolvers`. `reject` attaches the observer, so a promise that resolves does not pay for one. */
export function observedResolvers<T>(): PromiseWithResolvers<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  return {
    promise,
    resolve,
    reject: (error) => {
      promise.catch(ignore);
      reject(error);
    },
  };
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
