// The queue of a device: a request runs at once if nothing waits before it, else after the earlier ones.

export class OrderedQueue {
  readonly #queue: (() => void)[] = [];
  #waiting = false;
  /** Counts holds and drains, so that a late one is recognized. */
  #turn = 0;
  #ready: Promise<unknown> = Promise.resolve();

  /** Whether what comes now is held back. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Resolves when what the queue waits for is there. */
  get ready(): Promise<unknown> {
    return this.#ready;
  }

  /** Does something now, or behind everything that is held back. */
  add(task: () => void): void {
    if (this.#queue.length === 0 && !this.#waiting) task();
    else this.#queue.push(task);
  }

  /** Holds `first` and everything that comes later back until `ready`. */
  hold(first: () => void, ready: Promise<unknown>): void {
    // In front: nothing may overtake it.
    this.#queue.unshift(first);
    this.#waiting = true;
    this.#ready = ready.catch(() => undefined);
    const turn = ++this.#turn;
    const go = () => {
      // Somebody may have gone ahead meanwhile.
      if (turn === this.#turn) this.drain();
    };
    ready.then(go, go);
  }

  /** Goes on without waiting, up to the next hold. */
  drain(): void {
    this.#turn++;
    this.#waiting = false;
    while (this.#queue.length > 0 && !this.#waiting) (this.#queue.shift() as () => void)();
  }
}
