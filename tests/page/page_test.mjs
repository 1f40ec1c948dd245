// @ts-check
// The page of the admin listener in Chromium (KNUL_CHROMIUM), with live traffic: node page_test.mjs
// KNUL_SCREENSHOTS=FOLDER keeps a picture of each size and colour scheme.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import os from "node:os";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { development_identity, KnulServer } from "../interop/server.mjs";

const kConnections = 8;
const kRowsOfAPage = 50;
const kLimitMs = 60_000;
const kWide = { width: 1280, height: 800 };
const kNarrow = { width: 390, height: 844 };
const knul = process.env.KNUL_BIN ?? "";
const losses_path = new URL("../support/losses.txt", import.meta.url);

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {KnulServer} */
let server;
/** @type {import("playwright-core").Page} */
let page;
/** @type {import("node:child_process").ChildProcess[]} */
const clients = [];
/** What the pages wrote to their consoles. @type {string[]} */
const messages = [];
/** The addresses that the pages asked. @type {string[]} */
const addresses = [];

/** @param {KnulServer} target */
const url_of = (target) => `http://${target.lines[0].admin}/`;

/** A client that goes on until the end. @param {KnulServer} target @param {string[]} args */
function load(target, ...args) {
  const address = `${target.host}:${target.port}`;
  const command = ["perf", address, "--ca", development_identity().cert, "--duration", "280", ...args];
  const client = spawn(knul, command, { stdio: "ignore" });
  os.setPriority(/** @type {number} */ (client.pid), 19);
  clients.push(client);
}

/** @param {string} url @param {import("playwright-core").BrowserContextOptions} options */
async function open(url, options) {
  const opened = await browser.newPage(options);
  opened.setDefaultTimeout(kLimitMs);
  opened.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
  opened.on("pageerror", (error) => messages.push(error.message));
  opened.on("request", (request) => addresses.push(request.url()));
  await opened.goto(url);
  return opened;
}

/** Until a card's lines have data. @param {import("playwright-core").Page} where */
const has_data = (where) =>
  where.waitForFunction(() => {
    const lines = [...document.querySelectorAll("#charts .card:first-child path")];
    return lines.length === 2 && lines.every((line) => /L.*L/.test(line.getAttribute("d") ?? ""));
  });

before(async () => {
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  browser = await chromium.launch({ executablePath: process.env.KNUL_CHROMIUM, args });
  server = await KnulServer.start({ service: "perf", args: ["--admin", "127.0.0.1:0"] });
  load(server, "--requests", "0", "--connections", String(kConnections), "--active", "2");
  // A handshake without a common application protocol.
  const failing = ["get", `${server.host}:${server.port}`, "/", "--ca", development_identity().cert];
  assert.notEqual(spawnSync(knul, failing, { stdio: "ignore" }).status, 0);
  page = await open(url_of(server), { viewport: kWide });
});

after(async () => {
  for (const client of clients) client.kill("SIGKILL");
  server?.kill();
  await browser?.close();
});

test("eight charts have legends, units, times and data that moves", async () => {
  await has_data(page);
  for (const [card, series] of [[1, 1], [1, 2], [2, 1], [3, 1], [4, 1]]) {
    const value = `#charts .card:nth-child(${card}) .legend div:nth-child(${series}) b`;
    await page.waitForFunction((found) => {
      return parseFloat(document.querySelector(found)?.textContent ?? "") > 0;
    }, value);
  }
  const cards = await page.locator("#charts .card").evaluateAll((found) =>
    found.map((card) => ({
      title: card.querySelector("h2")?.textContent,
      legends: [...card.querySelectorAll(".legend span")].map((name) => name.textContent),
      values: [...card.querySelectorAll(".legend b")].map((value) => value.textContent),
      axis: [...card.querySelectorAll(".plot > span:not(.none)")].map((label) => label.textContent),
      times: [...card.querySelectorAll(".times span")].map((time) => time.textContent),
    }))
  );
  assert.equal(cards.length, 8);
  for (const { title, legends, values, axis, times } of cards) {
    assert.ok(
      title && legends.length >= 2 && legends.every((name) => name),
      title ?? "a card without a title",
    );
    assert.ok(values.every((value) => /^(\d|–)/.test(value ?? "")), `${title}: ${values}`);
    assert.ok(
      title === "Connections" || axis.every((label) => /^\d+(\.\d)? \S+$/.test(label ?? "")),
      `${axis}`,
    );
    assert.deepEqual(times, ["2 min ago", "1 min ago", "now"]);
  }
  const drawn = await page.locator("#charts path").first().getAttribute("d");
  await page.waitForFunction((earlier) => {
    return document.querySelector("#charts path")?.getAttribute("d") !== earlier;
  }, drawn);
});

test("the pointer shows the values at its time", async () => {
  await page.locator("#charts .plot").first().hover();
  await page.locator("#charts .times span").getByText(/^\d+ s ago$/).waitFor();
  await page.mouse.move(0, 0);
  await page.locator("#charts .card:first-child .times").getByText("1 min ago").waitFor();
});

test("the table has every connection and sorts by a click", async () => {
  await page.waitForFunction((wanted) => {
    const rows = [...document.querySelectorAll("#rows tbody tr")].map((row) =>
      /** @type {HTMLElement} */ (row).innerText.replaceAll("\t", " ")
    );
    return rows.length === wanted && /127\.0\.0\.1:\d+ active .* \d+ % of the time/.test(rows[0]);
  }, kConnections);
  for (const order of ["descending", "ascending"]) {
    await page.locator("#rows thead button", { hasText: /^id$/ }).click();
    await page.locator(`#rows th[aria-sort=${order}]`).getByText("id").waitFor();
    await page.waitForFunction((wanted) => {
      const ids = [...document.querySelectorAll("#rows tbody td:first-child")].map((cell) =>
        Number(cell.textContent)
      );
      return ids.every((id, i) => i === 0 || (wanted === "ascending" ? ids[i - 1] < id : ids[i - 1] > id));
    }, order);
  }
});

test("every other column with a button sorts too", async () => {
  const sort_keys = {
    age: "age_ms",
    idle: "idle_ms",
    RTT: "smoothed_rtt_us",
    requests: "requests",
    p99: "request_p99_ms",
    received: "bytes_received",
    sent: "bytes_sent",
    lost: "packets_lost",
    streams: "streams_active",
    memory: "memory_bytes",
  };
  assert.equal(await page.locator("#rows thead button").count(), 1 + Object.keys(sort_keys).length);
  for (const [name, key] of Object.entries(sort_keys)) {
    // The first answer may be 429; the page asks again every two seconds.
    const listed = page.waitForResponse((response) => {
      return new URL(response.url()).searchParams.get("sort") === key && response.status() === 200;
    });
    await page.locator("#rows thead button").getByText(name, { exact: true }).click();
    await page.locator("#rows th[aria-sort=descending]").getByText(name, { exact: true }).waitFor();
    assert.equal(await page.locator("#rows th[aria-sort]").count(), 1);
    await listed;
  }
  await page.locator("#count").getByText(String(kConnections), { exact: true }).waitFor();
});

test("the count says which rows the page of the table has", async () => {
  const listed = await page.waitForResponse((response) => {
    return response.url().includes("/connections?") && response.status() === 200;
  });
  const list = await listed.json();
  const connections = Array.from({ length: kRowsOfAPage }, (_, id) => ({ ...list.connections[0], id }));
  const json = { ...list, connections, matches: 1234, next: "next" };
  await page.route("**/connections?*", (route) => route.fulfill({ json }).catch(() => {}));
  const count = page.locator("#count");
  await count.getByText("1–50 of 1,234", { exact: true }).waitFor();
  for (const rows of ["51–100", "101–150"]) {
    await page.getByText("Next page").click();
    await count.getByText(`${rows} of 1,234`, { exact: true }).waitFor();
  }
  await page.getByText("First page").click();
  await count.getByText("1–50 of 1,234", { exact: true }).waitFor();
  await page.unroute("**/connections?*");
  await count.getByText(String(kConnections), { exact: true }).waitFor();
});

test("a click on a row shows everything about its connection, and a key hides it", async () => {
  const details = page.locator("#details");
  assert.equal(await details.isVisible(), false);
  const row = page.locator("#rows tbody tr").first();
  await row.click();
  await details.getByText(/^Connection \d+$/).waitFor();
  assert.match(await details.innerText(), /cipher\s+[A-Z0-9-]+[^]*congestion_window_bytes\s+[\d,]+/);
  await page.locator("#rows tr.chosen").press("Enter");
  await details.waitFor({ state: "hidden" });
});

test("a filter without a match says so", async () => {
  await page.getByLabel("Address begins with").fill("192.0.2.");
  await page.getByText("No connection has an address that begins with 192.0.2.").waitFor();
  assert.equal(await page.locator("#rows tbody tr").count(), 0);
  await page.getByLabel("Address begins with").fill("127.");
  await page.locator("#rows tbody tr").first().waitFor();
});

test("losses, limits and facts of the server are listed", async () => {
  await page.locator("#losses").getByText("handshakes_failed_alpn").waitFor();
  await page.locator("#limits").getByText("the program has nothing to send").waitFor();
  assert.match(await page.locator("#facts").innerText(), /Certificate\s+\d+ days left/);
  await page.locator("#state").getByText("running", { exact: true }).waitFor();
});

/** The texts whose contrast with their background is below 4.5 (WCAG AA), with the ratio. */
function pale_texts() {
  /** @param {string} colour */
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  /** @param {number[]} rgb */
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255).map((c) =>
      c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  /** @param {Element | null} element @returns {number[]} */
  const background = (element) => {
    if (!element) return [255, 255, 255];
    const colour = channels(getComputedStyle(element).backgroundColor);
    return colour.length === 4 && colour[3] === 0 ? background(element.parentElement) : colour;
  };
  const texts = [...document.body.querySelectorAll("*")].filter((element) =>
    element.checkVisibility() && !element.closest("script, :disabled") &&
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim())
  );
  return texts.map((element) => {
    const pair = [channels(getComputedStyle(element).color), background(element)].map(luminance);
    return { text: element.textContent, ratio: (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05) };
  }).filter(({ ratio }) => ratio < 4.5);
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  for (const viewport of [kWide, kNarrow]) {
    test(`${viewport.width} pixels, ${colorScheme}: readable, and nothing is beside the screen`, async () => {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
      const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const brightness = Math.max(...(back.match(/\d+/g) ?? []).map(Number));
      assert.ok(colorScheme === "dark" ? brightness < 64 : brightness > 192, back);
      assert.deepEqual(await page.evaluate(pale_texts), []);
      if (process.env.KNUL_SCREENSHOTS) {
        const path = join(process.env.KNUL_SCREENSHOTS, `${colorScheme}-${viewport.width}.png`);
        await page.screenshot({ path, fullPage: true });
      }
    });
  }
}

test("every statistic of a loss is listed, and no other one", async () => {
  // All counters have grown, and so have the other numbers.
  await page.route("**/stats", async (route) => {
    const stats = Object.entries(await (await route.fetch()).json());
    const grown = stats.map(([key, value]) => [key, typeof value === "number" ? value + 1 : value]);
    await route.fulfill({ json: Object.fromEntries(grown) }).catch(() => {});
  });
  const expected = (await readFile(losses_path, "utf8")).split("\n").filter((line) =>
    line && line[0] !== "#"
  );
  const first_cells = "#losses tbody td:first-child";
  await page.waitForFunction(([cells, wanted]) => {
    return document.querySelectorAll(cells).length >= wanted;
  }, /** @type {const} */ ([first_cells, expected.length]));
  const listed = await page.locator(first_cells).allTextContents();
  assert.deepEqual(listed.map((text) => text.replace(/ .*/, "")).sort(), expected.sort());
  await page.unroute("**/stats");
});

test("a drain is announced with what it waits for", async () => {
  const draining = await KnulServer.start({
    service: "perf",
    args: ["--admin", "127.0.0.1:0", "--drain-timeout-ms", "280000"],
  });
  try {
    load(draining, "--download", "0");
    const opened = await open(url_of(draining), { viewport: kWide });
    await opened.locator("#rows thead th:nth-child(12)").getByText("streams", { exact: true }).waitFor();
    await opened.locator("#rows tbody td:nth-child(12)").getByText("1", { exact: true }).waitFor();
    draining.begin_drain();
    const notice = opened.locator("#notices").getByText(
      "The server drains: 1 connection with 1 stream left.",
    );
    const shown = await notice.elementHandle();
    await opened.locator("#state").getByText("draining", { exact: true }).waitFor();
    assert.match(await opened.title(), /^draining/);
    // Two readings later the notice is the same element: a screen reader reads it once.
    for (let reading = 0; reading < 2; reading++) {
      await opened.waitForResponse((response) => response.url().endsWith("/stats"));
    }
    assert.ok(await shown?.evaluate((node) => node.isConnected));
    await opened.close();
  } finally {
    draining.kill();
  }
});

test("no page wrote to its console or asked another host", () => {
  // The list has a limit of requests in a second, which a fast run of this test reaches.
  assert.deepEqual(messages.filter((message) => !message.includes("status of 429")), []);
  assert.ok(addresses.length > 20);
  const hosts = new Set(addresses.map((address) => new URL(address).hostname));
  assert.deepEqual([...hosts].filter((host) => host !== "127.0.0.1" && host !== ""), []);
});

// The last tests: failed requests are messages on the console.
test("a refused request is shown with the server's text", async () => {
  await page.route("**/stats", (route) => route.fulfill({ status: 503, body: "too busy\n" }).catch(() => {}));
  await page.locator("#state").getByText("too busy", { exact: true }).waitFor();
  await page.unroute("**/stats");
  await page.locator("#state").getByText("running", { exact: true }).waitFor();
});

test("an answer that is no JSON is a fault on the console", async () => {
  await page.route("**/stats", (route) => route.fulfill({ body: "[" }).catch(() => {}));
  await page.locator("#state").getByText(/^fault: /).waitFor();
  assert.ok(messages.some((message) => message.includes("SyntaxError")));
  await page.unroute("**/stats");
  await page.locator("#state").getByText("running", { exact: true }).waitFor();
});

test("a server that has ended is shown as such", async () => {
  server.kill();
  await page.locator("#state").getByText("no answer").waitFor();
});
