// Proof of work as in version 1 of the ALTCHA protocol. Owns: the workers, and the form of a solution.

const WORKERS_MAX = 4;

/** Begins to work; `told(done)` hears how many numbers were tried. `solution` is rejected where nothing can be worked out here. */
export function workOut(work, told) {
  const count = Math.min(Math.max((navigator.hardwareConcurrency ?? 2) - 1, 1), WORKERS_MAX);
  const workers = [];
  const stop = () => workers.forEach((worker) => worker.terminate());
  const number = new Promise((found, failed) => {
    let [done, without] = [0, 0];
    for (let from = 0; from < count; from += 1) {
      const worker = new Worker("/assets/work.js", { type: "module" });
      workers.push(worker);
      worker.onerror = () => failed(new Error("a worker failed"));
      worker.onmessage = ({ data }) => {
        if (data.done) told((done += data.done));
        else if (data.number !== null) found(data.number);
        else if ((without += 1) === count) failed(new Error("no number solves it"));
      };
      worker.postMessage({ ...work, from, step: count });
    }
  });
  return { stop, solution: number.finally(stop).then((found) => packed(work, found)) };
}

function packed({ algorithm, challenge, salt, signature }, number) {
  return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
}
