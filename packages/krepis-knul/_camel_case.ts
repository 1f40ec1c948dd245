// The library's names are snake_case, JavaScript's are camelCase. @krepis/core gives its numbers names in PascalCase.
const cache = new Map<string, string>();

/** "total_bytes_in" becomes "totalBytesIn". */
export function camelCase(name: string): string {
  let made = cache.get(name);
  if (made === undefined) {
    made = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    cache.set(name, made);
  }
  return made;
}

/** "idleTimeoutMs" becomes "idle_timeout_ms". */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same object with its own keys in camelCase. */
export function camelCaseKeys<T>(object: Record<string, T>): Record<string, T> {
  const made: Record<string, T> = {};
  for (const name in object) made[camelCase(name)] = object[name] as T;
  return made;
}

/** The names of numbers in camelCase, each at the index of its number: `{ IdleTimeout: 4 }` gives [4] = "idleTimeout". */
export function namesOf<Name extends string>(numbers: Record<Name, number>): Uncapitalize<Name>[] {
  const names: Uncapitalize<Name>[] = [];
  for (const name in numbers) {
    names[numbers[name]] = name.charAt(0).toLowerCase() + name.slice(1) as Uncapitalize<Name>;
  }
  return names;
}
