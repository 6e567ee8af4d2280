// What stands behind the page, where a journey has to change it: the operator's tool, a gateway of its own configuration, a node that
// stands still.
// Owns: the processes that it starts. Must never: be needed by a journey that only looks and buys.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const READY_MS = 30_000;
const LOOK_MS = 100;

/** What `holdfast-chaos demo --json` said, or null where the journeys run against something else. */
export const demo = process.env.HOLDFAST_DEMO ? JSON.parse(readFileSync(process.env.HOLDFAST_DEMO, "utf8")) : null;
const bin = process.env.HOLDFAST_BIN ?? "target/debug";
const run = promisify(execFile);

/** `holdfastctl`, asked of the first node. */
export async function operate(...words) {
  const { stdout } = await run(join(bin, "holdfastctl"), ["--json", "--node", demo.nodes[0].grpc, ...words.map(String)]);
  return JSON.parse(stdout);
}

/** Opens a waiting room, and waits until every gateway has heard of it: for some seconds one may believe what it knew. */
export async function openRoom(show, ...words) {
  await operate("queue", "open", show, ...words);
  const known = async ({ url }) => (await (await fetch(`${url}/v1/shows/${show}/queue`)).json()).state !== "none";
  for (const gateway of demo.gateways) {
    for (const until = Date.now() + READY_MS; !(await known(gateway)); ) {
      if (Date.now() > until) throw new Error(`${gateway.url} does not hear of the room of ${show}`);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }
}

/** A show of four seats in one row, in a cellar of its own; its id once it is on sale at gateway `base`. */
export async function smallShow(name, base) {
  const slug = `${name.toLowerCase().replaceAll(" ", "-")}-${process.pid}`;
  const seats = [1, 2, 3, 4].map((n) => ({ seat_guid: `A-${n}`, seat_number: `${n}`, position: { x: n * 25, y: 0 }, category: "Cellar" }));
  const zone = { name: "Cellar", zone_id: "cellar", position: { x: 0, y: 0 }, areas: [], rows: [{ row_number: "A", position: { x: 0, y: 0 }, seats }] };
  const plan = { name, size: { width: 200, height: 100 }, categories: [{ name: "Cellar", color: "#0072B2" }], zones: [zone] };
  const show = `slug = "${slug}"
event = { slug = "${slug}", name = "${name}", category = "comedy" }
plan = "${slug}"
venue = "Four Seats"
city = "Amsterdam"
country = "NL"
local_date = "2027-03-05"
local_time = "20:15"
time_zone = "Europe/Amsterdam"
starts_at_ms = 1_804_274_100_000
home_region = "westeurope"
currency = "EUR"
single_seat_rule = "off"
[price_minor]
"Cellar" = 1_500
`;
  const dir = mkdtempSync(join(tmpdir(), "holdfast-show-"));
  try {
    writeFileSync(join(dir, "plan.json"), JSON.stringify(plan));
    writeFileSync(join(dir, "show.toml"), show);
    await operate("plan", "import", join(dir, "plan.json"), "--slug", slug);
    const { show_id } = await operate("show", "create", join(dir, "show.toml"));
    const onSale = async () => (await fetch(`${base}/v1/shows/${show_id}/seats`)).ok;
    for (const until = Date.now() + READY_MS; !(await onSale()); ) {
      if (Date.now() > until) throw new Error(`${show_id} did not come on sale`);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    return show_id;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Starts one more gateway of the demo's first region, with `sections` at the end of its configuration, for the time of `visit(base)`. */
export async function withGateway(sections, visit) {
  const region = demo.gateways[0].region;
  const own = readFileSync(join(demo.data_dir, "config", `gateway-${region}.toml`), "utf8");
  const dir = mkdtempSync(join(tmpdir(), "holdfast-gateway-"));
  const port = await freePort();
  // Its first lines say where it stands; the sections behind them are another gateway's business.
  const head = own.split(/^\[/m)[0].replace(/^http_listen.*$/m, `http_listen = "127.0.0.1:${port}"`);
  const file = join(dir, "gateway.toml");
  writeFileSync(file, `${head}\n${sections}\n`);
  const gateway = spawn(join(bin, "holdfast-gateway"), ["--config", file], { stdio: "ignore" });
  const ended = once(gateway, "exit");
  const base = `http://127.0.0.1:${port}`;
  try {
    const ready = async () => (await fetch(`${base}/readyz`).catch(() => null))?.ok;
    for (const until = Date.now() + READY_MS; !(await ready()); ) {
      if (Date.now() > until || gateway.exitCode !== null) throw new Error("the gateway did not get ready");
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    return await visit(base);
  } finally {
    gateway.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true });
  }
}

/** Has node `n` of the demo stand still for the time of `visit()`: to everybody else it is gone, and it comes back as it was. */
export async function withNodeFrozen(n, visit) {
  const { pid } = demo.nodes[n];
  process.kill(pid, "SIGSTOP");
  try {
    return await visit();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}
