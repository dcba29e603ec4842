// Memory that invocations share, and the detector of races: two accesses to one place, one of them a write, that no barrier orders.

/** Who is running, and what the barriers so far have put in order. Epochs grow with every barrier and every workgroup. */
export interface Now {
  invocation: number;
  /** Since the last barrier that orders storage memory, and since the last that orders the workgroup's. */
  storageEpoch: number;
  workgroupEpoch: number;
  /** The first storage epoch of the workgroup that is running. */
  firstEpoch: number;
  /** Turns of loops that are left before the kernel is thought to hang. */
  turns: number;
}

export class RaceError extends Error {
  override readonly name = "RaceError";
}

/** An access to what isn't there. */
export class BoundsError extends Error {
  override readonly name = "BoundsError";
}

const MANY = -1;

/** The latest accesses of one kind to every unit. */
class Accesses {
  readonly #kind: string;
  readonly #epochs: Int32Array;
  readonly #who: Int32Array;
  readonly #lines: Int32Array;
  /** Whether a workgroup before the latest one has been there. */
  readonly #foreign: Uint8Array;

  constructor(kind: string, units: number) {
    this.#kind = kind;
    this.#epochs = new Int32Array(units);
    this.#who = new Int32Array(units);
    this.#lines = new Int32Array(units);
    this.#foreign = new Uint8Array(units);
  }

  note(at: number, epoch: number, firstEpoch: number, who: number, line: number): void {
    const last = this.#epochs[at] as number;
    if (last === epoch) {
      if (this.#who[at] !== who) this.#who[at] = MANY;
      return;
    }
    if (last !== 0 && last < firstEpoch) this.#foreign[at] = 1;
    this.#epochs[at] = epoch;
    this.#who[at] = who;
    this.#lines[at] = line;
  }

  /** Whether an access by `who` comes after all of these, or nobody else was there. */
  isOrdered(at: number, epoch: number, firstEpoch: number, who: number): boolean {
    const last = this.#epochs[at] as number;
    if (last === 0) return true;
    if (this.#foreign[at] === 1 || last < firstEpoch) return false;
    return last !== epoch || this.#who[at] === who;
  }

  describe(at: number): string {
    const who = this.#who[at] === MANY ? "several invocations" : `invocation ${this.#who[at]}`;
    return `${who} ${this.#kind} at line ${this.#lines[at]}`;
  }
}

export type Words = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

/** One binding, or one variable of a workgroup. */
export class WatchedMemory {
  readonly data: Words;
  readonly #name: string;
  readonly #space: "storage" | "workgroup";
  readonly #now: Now;
  readonly #units: number;
  readonly #stride: number;
  readonly #reads: Accesses | null;
  readonly #writes: Accesses;
  readonly #atomics: Accesses | null;

  constructor(
    now: Now,
    options: {
      readonly name: string;
      readonly space: "storage" | "workgroup";
      readonly data: Words;
      readonly stride: number;
      /** Whether anybody may write there, and by atomic operations. */
      readonly writable: boolean;
      readonly atomic: boolean;
    },
  ) {
    this.data = options.data;
    this.#now = now;
    this.#name = options.name;
    this.#space = options.space;
    this.#stride = options.stride;
    this.#units = Math.floor(options.data.length / options.stride);
    this.#reads = options.writable ? new Accesses("read", this.#units) : null;
    this.#writes = new Accesses("wrote", options.writable ? this.#units : 0);
    this.#atomics = options.atomic ? new Accesses("changed (atomically)", this.#units) : null;
  }

  get length(): number {
    return this.#units;
  }

  /** Notes a load and returns where the unit's numbers begin. A load of storage beyond the end may give any element: here, one by chance. */
  read(at: number, line: number): number {
    if (!(at >= 0 && at < this.#units)) {
      if (this.#space === "workgroup") this.#outside(at, line, "reads");
      return (Math.abs(Math.imul(at, 0x9e3779b1)) % this.#units) * this.#stride;
    }
    if (this.#reads !== null) {
      const epoch = this.#epoch;
      this.#check(this.#writes, "reads", at, line, epoch);
      if (this.#atomics !== null) this.#check(this.#atomics, "reads", at, line, epoch);
      this.#reads.note(at, epoch, this.#firstEpoch, this.#now.invocation, line);
    }
    return at * this.#stride;
  }

  write(at: number, line: number): number {
    if (!(at >= 0 && at < this.#units)) this.#outside(at, line, "writes");
    if (this.#reads === null) throw new Error(`line ${line}: writes ${this.#name}, which is bound for reading`);
    const epoch = this.#epoch;
    this.#check(this.#writes, "writes", at, line, epoch);
    this.#check(this.#reads, "writes", at, line, epoch);
    if (this.#atomics !== null) this.#check(this.#atomics, "writes", at, line, epoch);
    this.#writes.note(at, epoch, this.#firstEpoch, this.#now.invocation, line);
    return at * this.#stride;
  }

  /** An atomic access: it races with plain ones only. */
  atomic(at: number, line: number): number {
    if (!(at >= 0 && at < this.#units)) this.#outside(at, line, "changes");
    const epoch = this.#epoch;
    this.#check(this.#writes, "changes", at, line, epoch);
    if (this.#reads !== null) this.#check(this.#reads, "changes", at, line, epoch);
    this.#atomics?.note(at, epoch, this.#firstEpoch, this.#now.invocation, line);
    return at * this.#stride;
  }

  get #epoch(): number {
    return this.#space === "storage" ? this.#now.storageEpoch : this.#now.workgroupEpoch;
  }

  /** Every workgroup has a memory of its own: what others did was elsewhere. */
  get #firstEpoch(): number {
    return this.#space === "storage" ? this.#now.firstEpoch : 0;
  }

  #check(accesses: Accesses, does: string, at: number, line: number, epoch: number): void {
    const { invocation } = this.#now;
    if (accesses.isOrdered(at, epoch, this.#firstEpoch, invocation)) return;
    throw new RaceError(
      `line ${line}: invocation ${invocation} ${does} ${this.#name}[${at}], which ${accesses.describe(at)}; no ${this.#space}Barrier is between`,
    );
  }

  #outside(at: number, line: number, does: string): never {
    throw new BoundsError(
      `line ${line}: invocation ${this.#now.invocation} ${does} ${this.#name}[${at}] of ${this.#units} elements`,
    );
  }
}
