// The version of the engine: what is kept for longer than a process belongs to one.

/** package.json's, which pages don't have. */
export const VERSION = "0.1.0";
