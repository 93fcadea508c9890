// What the tests use of Node; its whole types would change those of the browser's timers.
declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  const assert: {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): asserts value;
    match(value: string, pattern: RegExp): void;
    rejects(work: Promise<unknown>, type: new (...words: string[]) => Error): Promise<void>;
    throws(work: () => unknown, what: RegExp | (new (...words: string[]) => Error)): void;
  };
  export default assert;
}
declare module "node:fs" {
  export function readFileSync(path: string, encoding: "utf8"): string;
}
