// @ts-check

/** Not an answer of the other side: something took longer than it may. */
export class DeadlinePassed extends Error {}

/**
 * Fails instead of hanging: every wait of these tests has a deadline and a name.
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what
 * @param {number} limit_ms
 * @returns {Promise<T>}
 */
export function within(promise, what, limit_ms = 60_000) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const expired = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new DeadlinePassed(`${what}: not within ${limit_ms} ms`)), limit_ms);
  });
  return /** @type {Promise<T>} */ (Promise.race([promise, expired]).finally(() => clearTimeout(timer)));
}
