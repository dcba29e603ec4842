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

  /** What an access by `who` is not ordered with; null where there is nothing. */
  conflict(at: number, epoch: number, firstEpoch: number, who: number): string | null {
    const last = this.#epochs[at] as number;
    if (last === 0) return null;
    const across = this.#foreign[at] === 1 || last < firstEpoch;
    if (!across && (last !== epoch || this.#who[at] === who)) return null;
    const other = this.#who[at] === MANY ? "several invocations" : `invocation ${this.#who[at]}`;
    return `${other} ${this.#kind} at line ${this.#lines[at]}${across ? ", in another workgroup" : ""}`;
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
  /** Loads beyond the end of storage. */
  strayReads = 0;

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
    this.#reads = options.writable ? new Accesses("reads", this.#units) : null;
    this.#writes = new Accesses("writes", options.writable ? this.#units : 0);
    this.#atomics = options.atomic ? new Accesses("changes (atomic)", this.#units) : null;
  }

  get length(): number {
    return this.#units;
  }

  /** Notes a load and returns where the unit's numbers begin. A load of storage beyond the end may give any element: here, one by chance. */
  read(at: number, line: number): number {
    let place = at;
    if (!(at >= 0 && at < this.#units)) {
      if (this.#space === "workgroup") this.#outside(at, line, "reads");
      this.strayReads++;
      return (Math.abs(Math.imul(at, 0x9e3779b1)) % this.#units) * this.#stride;
    }
    place = at * this.#stride;
    if (this.#reads === null) return place;
    const [epoch, first] = this.#epochs();
    const who = this.#now.invocation;
    this.#check(this.#writes, "reads", at, line, epoch, first);
    if (this.#atomics !== null) this.#check(this.#atomics, "reads", at, line, epoch, first);
    this.#reads.note(at, epoch, first, who, line);
    return place;
  }

  write(at: number, line: number): number {
    if (!(at >= 0 && at < this.#units)) this.#outside(at, line, "writes");
    if (this.#reads === null) throw new Error(`line ${line}: writes ${this.#name}, which is bound for reading`);
    const [epoch, first] = this.#epochs();
    this.#check(this.#writes, "writes", at, line, epoch, first);
    this.#check(this.#reads, "writes", at, line, epoch, first);
    if (this.#atomics !== null) this.#check(this.#atomics, "writes", at, line, epoch, first);
    this.#writes.note(at, epoch, first, this.#now.invocation, line);
    return at * this.#stride;
  }

  /** An atomic access: it races with plain ones only. */
  atomic(at: number, line: number): number {
    if (!(at >= 0 && at < this.#units)) this.#outside(at, line, "changes");
    const [epoch, first] = this.#epochs();
    this.#check(this.#writes, "changes", at, line, epoch, first);
    if (this.#reads !== null) this.#check(this.#reads, "changes", at, line, epoch, first);
    this.#atomics?.note(at, epoch, first, this.#now.invocation, line);
    return at * this.#stride;
  }

  #epochs(): [epoch: number, first: number] {
    const { storageEpoch, workgroupEpoch, firstEpoch } = this.#now;
    // Every workgroup has a memory of its own: what others did was elsewhere.
    return this.#space === "storage" ? [storageEpoch, firstEpoch] : [workgroupEpoch, 0];
  }

  #check(accesses: Accesses, does: string, at: number, line: number, epoch: number, first: number): void {
    const { invocation } = this.#now;
    const other = accesses.conflict(at, epoch, first, invocation);
    if (other === null) return;
    throw new RaceError(
      `line ${line}: invocation ${invocation} ${does} ${this.#name}[${at}], which ${other}; no ${this.#space}Barrier is between`,
    );
  }

  #outside(at: number, line: number, does: string): never {
    throw new BoundsError(
      `line ${line}: invocation ${this.#now.invocation} ${does} ${this.#name}[${at}] of ${this.#units} elements`,
    );
  }
}
