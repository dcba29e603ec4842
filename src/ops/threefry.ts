// Counter-based random bits: Threefry-2x32 with 20 rounds (Salmon et al. 2011), in WGSL and on the host, bit for bit the same.

// One word of key and one of counter: a stream per random op, an element per counter.
const THREEFRY_TEXT = `fn threefry_round(x: vec2<u32>, r: u32) -> vec2<u32> {
  let a = x.x + x.y;
  return vec2<u32>(a, ((x.y << r) | (x.y >> (32u - r))) ^ a);
}
fn threefry_rounds(x: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
  return threefry_round(threefry_round(threefry_round(threefry_round(x, r.x), r.y), r.z), r.w);
}
fn threefry(counter: u32, key: u32) -> vec2<u32> {
  let even = vec4<u32>(13u, 15u, 26u, 6u);
  let odd = vec4<u32>(17u, 29u, 16u, 24u);
  let last = key ^ 0x1bd11bdau;
  var x = vec2<u32>(counter + key, 0u);
  x = threefry_rounds(x, even) + vec2<u32>(0u, last + 1u);
  x = threefry_rounds(x, odd) + vec2<u32>(last, key + 2u);
  x = threefry_rounds(x, even) + vec2<u32>(key, 3u);
  x = threefry_rounds(x, odd) + vec2<u32>(0u, last + 4u);
  return threefry_rounds(x, even) + vec2<u32>(last, key + 5u);
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
