// Counter-based random bits: Threefry-2x32 with 20 rounds (Salmon et al. 2011), in WGSL and on the host, bit for bit the same.

// One word of key and one of counter: a stream per random op, an element per counter.
const THREEFRY_TEXT = `struct Words { x: U, y: U }
fn threefry_round(w: Words, r: u32) -> Words {
  let a = w.x + w.y;
  return Words(a, ((w.y << U(r)) | (w.y >> U(32u - r))) ^ a);
}
fn threefry_rounds(w: Words, r: vec4<u32>, a: U, b: U) -> Words {
  let mixed = threefry_round(threefry_round(threefry_round(threefry_round(w, r.x), r.y), r.z), r.w);
  return Words(mixed.x + a, mixed.y + b);
}
fn threefry(counter: U, key: U) -> Words {
  let even = vec4<u32>(13u, 15u, 26u, 6u);
  let odd = vec4<u32>(17u, 29u, 16u, 24u);
  let last = key ^ U(0x1bd11bdau);
  var w = Words(counter + key, U(0u));
  w = threefry_rounds(w, even, U(0u), last + 1u);
  w = threefry_rounds(w, odd, last, key + 2u);
  w = threefry_rounds(w, even, key, U(3u));
  w = threefry_rounds(w, odd, U(0u), last + 4u);
  return threefry_rounds(w, even, last, key + 5u);
}`;

/** WGSL: threefry(counter, key), two random words. */
export const THREEFRY: readonly string[] = [THREEFRY_TEXT];

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Two random words for a counter and a key of two words each. */
export function threefry(counter: readonly [number, number], key: readonly [number, number]): [number, number] {
  const schedule = [key[0], key[1], (0x1bd1_1bda ^ key[0] ^ key[1]) >>> 0];
  let a = (counter[0] + key[0]) >>> 0;
  let b = (counter[1] + key[1]) >>> 0;
  for (let block = 0; block < 5; block++) {
    for (const rotation of ROTATIONS[block % 2] ?? []) {
      a = (a + b) >>> 0;
      b = (((b << rotation) | (b >>> (32 - rotation))) ^ a) >>> 0;
    }
    a = (a + (schedule[(block + 1) % 3] as number)) >>> 0;
    b = (b + (schedule[(block + 2) % 3] as number) + block + 1) >>> 0;
  }
  return [a, b];
}
