// A worker that looks for the number whose SHA-256 is asked for, away from the page, which goes on moving. Written out here and not
// asked of WebCrypto: that is there on secure pages only, and a call for each hash costs more than the hash.
// Owns: the search. Told { salt, challenge, maxnumber, from, step }, tells { done } now and then and { number } at the end, null
// where there is none.

const BLOCK_BYTES = 64;
const TOLD_EVERY = 20_000;

/** The first 32 bits behind the point of a root, which is how SHA-256 is made. */
const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
const primes = [];
for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
const START = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
const ROUND = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));

const words = new Int32Array(64);
const turn = (x, by) => (x >>> by) | (x << (32 - by));

/** Takes one block of `bytes` from `at` into `state`. */
function compress(state, bytes, at) {
  for (let i = 0; i < 16; i += 1) {
    const b = at + 4 * i;
    words[i] = (bytes[b] << 24) | (bytes[b + 1] << 16) | (bytes[b + 2] << 8) | bytes[b + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const [near, far] = [words[i - 2], words[i - 15]];
    const low = turn(far, 7) ^ turn(far, 18) ^ (far >>> 3);
    const high = turn(near, 17) ^ turn(near, 19) ^ (near >>> 10);
    words[i] = (words[i - 16] + low + words[i - 7] + high) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** Says for a number whether its hash, behind `salt`, is `challenge`. What all numbers have in common is hashed once. */
function matcher(salt, challenge) {
  const head = new TextEncoder().encode(salt);
  const whole = head.length - (head.length % BLOCK_BYTES);
  const common = Int32Array.from(START);
  for (let at = 0; at < whole; at += BLOCK_BYTES) compress(common, head, at);
  const rest = head.subarray(whole);
  const wanted = Int32Array.from(challenge.match(/.{8}/g) ?? [], (hex) => parseInt(hex, 16) | 0);
  const tail = new Uint8Array(2 * BLOCK_BYTES);
  const state = new Int32Array(8);
  return (number) => {
    const digits = String(number);
    let end = rest.length;
    tail.fill(0);
    tail.set(rest);
    for (let i = 0; i < digits.length; i += 1) tail[end++] = digits.charCodeAt(i);
    tail[end] = 0x80;
    const size = end + 9 > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
    const bits = 8 * (whole + end);
    for (let i = 0; i < 4; i += 1) tail[size - 1 - i] = bits >>> (8 * i);
    state.set(common);
    for (let at = 0; at < size; at += BLOCK_BYTES) compress(state, tail, at);
    return state.every((word, i) => word === wanted[i]);
  };
}

self.addEventListener("message", ({ data: { salt, challenge, maxnumber, from, step } }) => {
  const matches = matcher(salt, challenge);
  let tried = 0;
  for (let number = from; number <= maxnumber; number += step) {
    if (matches(number)) {
      self.postMessage({ number });
      return;
    }
    tried += 1;
    if (tried % TOLD_EVERY === 0) self.postMessage({ done: TOLD_EVERY });
  }
  self.postMessage({ number: null });
});
