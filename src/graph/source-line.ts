// The line of the user's program that is running, for errors that come up later.

/** Frames that are looked through: a layer within layers is not deeper. */
const MOST_FRAMES = 40;

/** The innermost line outside of wgrad, as the stack names it (`file:line:column`); null where the engine has no such stacks. */
export function sourceLine(): string | null {
  const { stackTraceLimit } = Error as { stackTraceLimit?: number };
  if (stackTraceLimit !== undefined) Error.stackTraceLimit = MOST_FRAMES;
  const places = (new Error().stack ?? "").split("\n").flatMap((line) => {
    const place = /(?:\(|@|at )((?:[a-z+]+:\/\/|\/)?[^\s()@]+:\d+:\d+)\)?$/.exec(line)?.[1];
    return place === undefined ? [] : [place];
  });
  if (stackTraceLimit !== undefined) Error.stackTraceLimit = stackTraceLimit;
  const [own] = places;
  if (own === undefined) return null;
  const home = homeOf(own);
  return places.find((place) => homeOf(place) !== home) ?? null;
}

/** The folder that wgrad lies in, or the file where it is bundled. */
function homeOf(place: string): string {
  const file = place.replace(/:\d+:\d+$/, "");
  return /^.*\/(?:src|dist)\//.exec(file)?.[0] ?? file;
}
