#include "admin/page_script.hpp"

namespace knul::admin {

const std::string_view kPageScript = R"js(
"use strict";
const $ = (id) => document.getElementById(id);
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// Quantities as [digits, unit].
function digits(v) {
  return v === 0 ? "0" : v >= 99.95 ? v.toFixed(0) : v >= 9.995 ? v.toFixed(1) : v.toPrecision(2);
}
function scaled(unit) {
  return (v) => {
    let step = 0;
    while (v >= 999.5 && step < 4) { v /= 1000; step++; }
    return [step === 0 && Number.isInteger(v) ? String(v) : digits(v), ["", "k", "M", "G", "T"][step] + unit];
  };
}
const count = scaled(""), perSecond = scaled("/s"), bits = scaled("bit/s"), bytes = scaled("B");
function seconds(v) {
  return v < 1e-3 ? [digits(v * 1e6), "µs"] : v < 1 ? [digits(v * 1e3), "ms"] : [digits(v), "s"];
}
const label = (quantity) => joined(quantity).replace(/\.0+(?!\d)/, "");
const joined = ([number, unit]) => unit ? `${number} ${unit}` : number;
function age(ms) {
  const s = Math.floor(ms / 1000), pad = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${pad(s % 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)} h`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

// Samples of the last two minutes, the newest last: {at, stats, buckets}.
const kWindow = 120, kLatencyWindow = 10;
const samples = [];
const before = (now, seconds) => samples.find((s) => s.at > now.at - seconds) ?? now;
const rate = (read, factor = 1) => (now, old) =>
  Math.max(0, factor * (read(now.stats) - read(old.stats)) / (now.at - old.at));
const total = (prefix) => (stats) =>
  Object.keys(stats).reduce((sum, key) => key.startsWith(prefix) ? sum + stats[key] : sum, 0);
// A quantile of the latency of requests in the last kLatencyWindow seconds; null without requests.
const quantile = (share) => (now) => {
  const old = before(now, kLatencyWindow + 0.5).buckets;
  const grown = now.buckets.map(([bound, n], i) => [bound, n - (old[i]?.[1] ?? 0)]);
  const wanted = share * (grown.at(-1)?.[1] ?? 0);
  if (!(wanted > 0)) return null;
  const i = grown.findIndex(([, n]) => n >= wanted);
  const [low, below] = i > 0 ? grown[i - 1] : [0, 0], [high, upTo] = grown[i];
  return high === Infinity ? low : low + (high - low) * (wanted - below) / (upTo - below);
};
)js"
                                     R"js(
class Chart {
  constructor(title, format, series, hint = "", none = "no data yet") {
    Object.assign(this, { format, none, points: [] });
    const card = element("div", "card"), top = element("div", "top"), legend = element("div", "legend");
    top.append(element("h2", "", title), element("span", "soft", hint));
    this.plot = element("div", "plot");
    this.plot.setAttribute("role", "img");
    this.title = title;
    const svg = this.svg("svg", { viewBox: `0 0 ${kWindow} 100`, preserveAspectRatio: "none" });
    this.cursor = this.svg("line", { y1: 0, y2: 100, visibility: "hidden" });
    this.series = series.map(([name, read], i) => {
      const item = element("div"), value = element("b", "", "–"), label = element("span", "soft", name);
      const colour = `var(--${["one", "two", "three"][i]})`;
      label.style.setProperty("--colour", colour);
      item.append(value, label);
      legend.append(item);
      const line = this.svg("path");
      line.style.stroke = colour;
      svg.prepend(line);
      return { name, read, value, line };
    });
    svg.append(this.cursor);
    this.high = element("span"), this.half = element("span"), this.empty = element("span", "none", none);
    this.high.style.top = "0", this.half.style.top = "50%";
    this.plot.append(svg, this.high, this.half, this.empty);
    const times = element("div", "times");
    times.append(element("span", "", "2 min ago"), this.when = element("span", "", "1 min ago"),
      element("span", "", "now"));
    card.append(top, legend, this.plot, times);
    $("charts").append(card);
    this.plot.onpointermove = (event) => this.point_at(event);
    this.plot.onpointerleave = () => this.point_at(null);
  }
  svg(tag, attributes = {}) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }
  add(now, old) {
    this.points.push([now.at, ...this.series.map(({ read }) => read(now, old))]);
    while (this.points[0][0] < now.at - kWindow - 2) this.points.shift();
    this.draw();
  }
  // The axis end is 2 × a round number, so that the middle label is round too.
  end() {
    const most = Math.max(2e-9, ...this.points.flatMap((p) => p.slice(1).map((v) => v ?? 0)));
    const least = this.format === seconds ? 0 : this.format === bits || this.format === bytes ? 2000 : 2;
    if (most <= least) return least;
    const power = 10 ** Math.floor(Math.log10(most));
    return power * [1, 2, 4, 6, 8, 10, 20].find((step) => step * power >= most * 1.02);
  }
  draw() {
    const now = this.points.at(-1)[0], end = this.end();
    const has = this.points.some((p) => p.slice(1).some((v) => v !== null));
    set(this.high, has ? label(this.format(end)) : "");
    set(this.half, has ? label(this.format(end / 2)) : "");
    this.empty.hidden = has;
    this.series.forEach(({ line }, i) => {
      let isOpen = false;
      line.setAttribute("d", this.points.map((p) => {
        const value = p[i + 1], command = isOpen ? "L" : "M";
        isOpen = value !== null;
        const x = (kWindow - (now - p[0])).toFixed(2);
        return isOpen ? `${command}${x} ${(99 - 97 * value / end).toFixed(2)}` : "";
      }).join(""));
    });
    this.show();
  }
  point_at(event) {
    const box = this.plot.getBoundingClientRect();
    this.share = event && Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    if (this.points.length) this.show();
  }
  // The values of the newest point, or of the point below the pointer.
  show() {
    const now = this.points.at(-1)[0], isPointed = this.share != null;
    const wanted = isPointed ? now - kWindow * (1 - this.share) : now;
    const near = (a, b) => Math.abs(a[0] - wanted) <= Math.abs(b[0] - wanted) ? a : b;
    const point = this.points.reduce(near);
    this.cursor.setAttribute("visibility", isPointed ? "visible" : "hidden");
    const x = kWindow - (now - point[0]);
    this.cursor.setAttribute("x1", x), this.cursor.setAttribute("x2", x);
    set(this.when, isPointed ? `${Math.round(now - point[0])} s ago` : "1 min ago");
    const texts = this.series.map(({ name, value }, i) => {
      const [number, unit] = point[i + 1] === null ? ["–", ""] : this.format(point[i + 1]);
      value.replaceChildren(number, element("small", "", unit && " " + unit));
      return `${name} ${number} ${unit}`;
    });
    this.plot.setAttribute("aria-label", `${this.title}: ${texts.join(", ")}`);
  }
}
const charts = [
  new Chart("Throughput", bits, [["received", rate((s) => s.total_bytes_in, 8)],
    ["sent", rate((s) => s.total_bytes_out, 8)]]),
  new Chart("Requests", perSecond, [["completed", rate((s) => s.requests_completed)],
    ["failed", rate((s) => s.requests_failed)], ["cancelled", rate((s) => s.requests_cancelled)]]),
  new Chart("Request latency", seconds, [["median", quantile(0.5)], ["p99", quantile(0.99)]],
    `last ${kLatencyWindow} s`, "no requests"),
  new Chart("Connections", count, [["active", (now) => now.stats.connections_active],
    ["hibernating", (now) => now.stats.connections_hibernating],
    ["half open", (now) => now.stats.connections_half_open]]),
  new Chart("Handshakes", perSecond, [["completed", rate((s) => s.handshakes_completed)],
    ["failed", rate(total("handshakes_failed_"))]]),
  new Chart("Packet loss", perSecond, [["on the path", rate((s) => s.packets_lost)],
    ["in the kernel", rate((s) => s.udp_receive_dropped)]]),
  new Chart("Errors and refusals", perSecond, [["errors", rate((s) => s.errors)],
    ["drops", rate((s) => total("packets_dropped_")(s) - s.packets_dropped_closing)],
    ["refused", rate((s) => total("connections_refused_")(s) + s.streams_refused)]]),
  new Chart("Memory", bytes, [["connections", (now) => now.stats.connection_memory_bytes],
    ["sending", (now) => now.stats.send_buffer_bytes],
    ["pool", (now) => now.stats.pool_kept_bytes]]),
];
)js"
                                     R"js(
// A table with a fixed head. Rows are changed in place, so that a selection in them stays.
class Table {
  constructor(node, columns, empty) {
    Object.assign(this, { columns, empty });
    this.head = node.createTHead().insertRow();
    this.body = node.createTBody();
    this.note = element("p", "empty");
    node.after(this.note);
    for (const { name, text, content } of columns) {
      const th = element("th", text ? "text" : "");
      th.scope = "col";
      th.append(content ?? name);
      this.head.append(th);
    }
  }
  show(rows, empty = this.empty) {
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
    rows.forEach((row, i) => {
      const tr = this.body.rows[i] ?? this.make_row();
      tr.shown = row;
      this.columns.forEach(({ value, show = set }, j) => show(tr.cells[j], value(row)));
    });
    this.note.hidden = rows.length > 0;
    set(this.note, empty);
  }
  make_row() {
    const tr = this.body.insertRow();
    for (const { text, wraps } of this.columns) {
      tr.insertCell().className = (text ? "text" : "") + (wraps ? " name" : "");
    }
    return tr;
  }
}
// Long names break after an underscore.
function set_name(cell, name) {
  if (cell.textContent === name) return;
  cell.replaceChildren(...name.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]));
}
const remarks = {
  packets_dropped_closing: " (late packets)",
  udp_packets_dropped_emsgsize: " (probes of the path MTU)",
};
const losses = new Table($("losses"), [
  { name: "statistic", text: true, wraps: true, show: set_name,
    value: ({ key }) => key + (remarks[key] ?? "") },
  { name: "now", value: (r) => joined(perSecond(r.rate)) },
  { name: "since the start", value: (r) => r.count.toLocaleString("en") }],
  "Nothing was refused or dropped, and nothing has failed.");
// The same parts as in cli/top_sample.cpp; tests compare both with tests/support/losses.txt.
const lossParts = ["_dropped", "_refused_", "_refusals_", "_failed", "_suppressed", "_evicted", "_truncated",
  "_violations", "_errors", "_no_progress", "_transport_error", "_exceptions", "_messages_limited",
  "channel_closes_", "out_of_memory"];
const isLoss = (name) => lossParts.some((part) => name.includes(part));
function show_losses(now) {
  const old = before(now, kLatencyWindow + 0.5), time = Math.max(1, now.at - old.at);
  const rows = Object.entries(now.stats)
    .filter(([key, n]) => n > 0 && isLoss(key))
    .map(([key, n]) => ({ key, count: n, rate: Math.max(0, n - old.stats[key]) / time }));
  losses.show(rows.sort((a, b) => b.rate - a.rate || b.count - a.count));
}
const limitNames = {
  application: "the program has nothing to send", congestion_window: "congestion window", pacing: "pacing",
  connection_window: "the peer's window of the connection", stream_window: "the peer's windows of streams",
  stream_limit: "the peer's limit of streams", send_memory: "memory of the server",
  socket: "buffer of the socket", worker: "other work of the worker",
};
// send_limited_us_* grow only when a connection's limit changes.
function show_limits(now) {
  const old = samples[0].stats;
  const grown = (from) => Object.entries(limitNames).map(([key, name]) =>
    [name, now.stats["send_limited_us_" + key] - (from ? from["send_limited_us_" + key] : 0)]);
  const sum = (rows) => rows.reduce((all, [, n]) => all + n, 0);
  const recent = grown(old), isRecent = sum(recent) > 0, rows = isRecent ? recent : grown(null);
  const all = sum(rows);
  set($("limit_time"), all === 0 ? "" : isRecent ? "in two minutes" : "since the start");
  if (all === 0) {
    return $("limits").replaceChildren(element("p", "empty", "No connection has sent anything yet."));
  }
  const found = rows.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  $("limits").replaceChildren(...found.map(([name, n]) => {
    const row = element("div", "limit"), bar = element("i"), share = 100 * n / all;
    bar.style.setProperty("--share", `${share}%`);
    const text = share < 1 ? "< 1 %" : `${Math.round(share)} %`;
    row.append(element("span", "", name), element("b", "", text), bar);
    return row;
  }));
}
function show_facts(s) {
  const offloads = ["gso", "gro", "ecn"].filter((name) => s[name + "_enabled"]).join(", ").toUpperCase();
  const asked = s.socket_receive_buffer_asked_bytes, got = s.socket_receive_buffer_bytes;
  const facts = [
    ["Certificate", s.certificate_expired ? "expired" : `${plural(s.certificate_days_left, "day")} left`],
    ["Names", s.certificate_names || "none"],
    ["Reloads", `${s.certificate_reloads}, failed ${s.certificate_reloads_failed}`],
    ["Open streams", s.streams_active.toLocaleString("en")],
    ["Libraries", `ngtcp2 ${s.quic_library}, GnuTLS ${s.tls_library}`],
    ["Packet protection", s.packet_protection],
    ["Steering", s.steering],
    ["Kernel features", offloads || "neither GSO, GRO nor ECN"],
    ["Receive buffer", joined(bytes(got)) + (got < asked ? ` of ${joined(bytes(asked))}` : "")],
    ["Channels", s.channels_open === 0 ? "none"
      : `${s.channels_open}, ${joined(bytes(s.channel_queued_bytes))} queued`],
    ["Log messages omitted", (s.log_messages_limited + s.log_messages_dropped).toLocaleString("en")]];
  const list = $("facts");
  if (!list.children.length) for (const [name] of facts) list.append(element("dt", "", name), element("dd"));
  facts.forEach(([, value], i) => set(list.children[2 * i + 1], value));
}
let shownNotices = "[]";
function show_notices(s) {
  const notices = [];
  if (s.draining) {
    notices.push(["warn", `The server drains: ${plural(s.active_connections, "connection")} with ` +
      `${plural(s.streams_active, "stream")} left.`]);
  }
  if (s.certificate_expired) notices.push(["bad", "A certificate has expired: clients cannot connect."]);
  else if (s.certificate_days_left < 14) {
    notices.push([s.certificate_days_left < 2 ? "bad" : "warn",
      `A certificate expires in ${plural(s.certificate_days_left, "day")}.`]);
  }
  if (s.key_log) notices.push(["warn", "The key log is on: whoever has its file can read the traffic."]);
  if (s.out_of_memory) notices.push(["bad", `Out of memory: ${plural(s.out_of_memory, "time")}.`]);
  // Screen readers read each change of the element.
  const present = JSON.stringify(notices);
  if (present === shownNotices) return;
  shownNotices = present;
  $("notices").replaceChildren(...notices.map(([kind, text]) => element("p", `notice ${kind}`, text)));
}
)js"
                                     R"js(
async function read(path, type) {
  const noAnswer = () => { throw new Error("no answer"); };
  const reply = await fetch(path, { signal: AbortSignal.timeout(5000) }).catch(noAnswer);
  const body = await reply.text().catch(noAnswer);
  if (!reply.ok) throw new Error(body.trim());
  return type === "json" ? JSON.parse(body) : body;
}
// Errors other than those of read() are faults of the page or of an answer.
function text_of(error) {
  if (error.name === "Error") return error.message;
  console.error(error);
  return `fault: ${error.message}`;
}
const bucketLine = /^knul_request_duration_seconds_bucket\{le="(.+)"\} (\d+)$/gm;
async function sample() {
  const [stats, metrics] = await Promise.all([read("/stats", "json"), read("/metrics", "text")]);
  const buckets = [...metrics.matchAll(bucketLine)].map(([, bound, n]) =>
    [bound === "+Inf" ? Infinity : Number(bound), Number(n)]);
  return { at: performance.now() / 1000, stats, buckets };
}
function show_state(text, kind) {
  set($("state"), text);
  $("state").className = `state ${kind}`;
  document.title = kind === "good" ? "Krepis KNUL" : `${text} – Krepis KNUL`;
  document.body.classList.toggle("stale", kind === "bad");
}
async function tick() {
  try {
    const now = await sample(), s = now.stats;
    if (samples.length && s.uptime_ms < samples.at(-1).stats.uptime_ms) samples.length = 0;  // a restart
    const old = samples.at(-1);
    samples.push(now);
    while (samples[0].at < now.at - kWindow) samples.shift();
    s.draining ? show_state("draining", "warn") : show_state("running", "good");
    set($("about"), `up ${age(s.uptime_ms)} · ${plural(s.workers, "worker")} · version ${s.version}`);
    if (old) for (const chart of charts) chart.add(now, old);
    show_losses(now);
    show_limits(now);
    show_facts(s);
    show_notices(s);
  } catch (error) {
    show_state(text_of(error), "bad");
  }
}

const columns = [
  { name: "id", key: "id" }, { name: "peer", text: true, key: "peer" },
  { name: "state", text: true, key: "state" },
  { name: "age", key: "age_ms", value: (r) => age(r.age_ms) },
  { name: "idle", key: "idle_ms", value: (r) => age(r.idle_ms) },
  { name: "RTT", key: "smoothed_rtt_us", value: (r) => joined(seconds(r.smoothed_rtt_us / 1e6)) },
  { name: "requests", key: "requests", value: (r) => joined(count(r.requests)) },
  { name: "p99", key: "request_p99_ms",
    value: (r) => r.requests ? joined(seconds(r.request_p99_ms / 1e3)) : "–" },
  { name: "received", key: "bytes_received", value: (r) => joined(bytes(r.bytes_received)) },
  { name: "sent", key: "bytes_sent", value: (r) => joined(bytes(r.bytes_sent)) },
  { name: "lost", key: "packets_lost", value: (r) => joined(count(r.packets_lost)) },
  { name: "streams", key: "streams_active", value: (r) => joined(count(r.streams_active)) },
  { name: "memory", key: "memory_bytes", value: (r) => joined(bytes(r.memory_bytes)) },
  { name: "what limits sending", text: true, key: "verdict" }];
const kPageRows = 50;
let sort = "bytes_sent", descending = true, after = null, next = null, turn = 0;
let rowsBefore = 0;  // rows of the earlier pages
for (const column of columns) {
  column.value ??= (r) => String(r[column.key]);
  if (column.text) continue;
  column.content = element("button", "", column.name);
  column.content.type = "button";
  column.content.onclick = () => {
    descending = sort === column.key ? !descending : true;
    sort = column.key;
    go_to(null, 0);
  };
}
const rows = new Table($("rows"), columns, "No connections.");
// The selected connection's row without zero values, shown while the row is on this page.
let chosen = null;
function show_details() {
  let found = null;
  for (const tr of rows.body.rows) {
    tr.classList.toggle("chosen", tr.shown.id === chosen);
    if (tr.shown.id === chosen) found = tr.shown;
  }
  $("details").hidden = !found;
  if (!found) return;
  set($("details_of"), `Connection ${found.id}`);
  const shares = Object.entries(found.limited_shares).filter(([, share]) => share > 0)
    .map(([limit, share]) => [`limited by ${limit}`, `${(100 * share).toFixed(1)} %`]);
  const texts = Object.entries(found)
    .filter(([key, value]) => value && typeof value !== "object" && key !== "id" && key !== "verdict")
    .map(([key, value]) => [key, typeof value === "number" ? value.toLocaleString("en") : String(value)]);
  $("details").querySelector("dl").replaceChildren(...[...texts, ...shares].map(([name, value]) => {
    const item = element("div");
    item.append(element("dt", "", name), element("dd", "", value));
    return item;
  }));
}
function choose(event) {
  const tr = event.target.closest("tbody tr");
  if (!tr || (event.type === "keydown" && event.key !== "Enter")) return;
  chosen = tr.shown.id === chosen ? null : tr.shown.id;
  show_details();
}
$("rows").onclick = $("rows").onkeydown = choose;
async function list() {
  const own = ++turn, peer = $("peer").value.trim();
  const query = new URLSearchParams({ sort, descending, limit: kPageRows });
  if (after) query.set("after", after);
  if (peer) query.set("peer", peer);
  columns.forEach(({ key, content }, i) => {
    const cell = rows.head.cells[i];
    if (content && key === sort) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  try {
    const page = await read("/connections?" + query, "json");
    if (own !== turn) return;  // a newer request replaces this one
    next = page.next;
    const all = page.matches.toLocaleString("en"), last = rowsBefore + page.connections.length;
    set($("count"), page.matches > kPageRows ? `${rowsBefore + 1}–${last} of ${all}` : all);
    rows.show(page.connections, peer ? `No connection has an address that begins with ${peer}` : undefined);
    for (const tr of rows.body.rows) tr.tabIndex = 0;
    show_details();
  } catch (error) {
    if (own === turn) set($("count"), text_of(error));
  }
  $("more").disabled = !next;
  $("first").disabled = !after;
}
function go_to(place, skipped) {
  after = place;
  rowsBefore = skipped;
  list();
}
$("first").onclick = () => go_to(null, 0);
$("more").onclick = () => go_to(next, rowsBefore + rows.body.rows.length);
$("peer").oninput = () => go_to(null, 0);

// A hidden page sends no requests.
async function repeat(work, pause) {
  for (;;) {
    if (!document.hidden) await work();
    await new Promise((done) => setTimeout(done, pause));
  }
}
repeat(tick, 1000);
repeat(() => after ? undefined : list(), 2000);
)js";

}  // namespace knul::admin
