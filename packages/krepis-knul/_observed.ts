// Promises that the program need not await. A rejected promise that nobody observes ends the process, so every promise
// that the package returns and that a peer can reject is made here.

/** Observes a promise and returns it. Code that awaits it still gets the rejection. */
export function observed<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** As `Promise.withResolvers`. `reject` attaches the observer, so a promise that resolves needs none. */
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

/** Makes these methods of an object return observed promises, and returns the object. */
export function observeMethods<T extends object>(target: T, ...names: (keyof T)[]): T {
  for (const name of names) {
    const method = target[name] as (...args: unknown[]) => Promise<unknown>;
    const value = (...args: unknown[]) => observed(method.apply(target, args));
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
  return target;
}

function ignore(): void {}
