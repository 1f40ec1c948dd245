import { strictEqual } from "node:assert/strict";
import { readConstants } from "./_header_for_tests.ts";
import * as events from "./events.ts";

const pascal = (name: string) =>
  name.toLowerCase().split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");

const groups: [string, Record<string, number>, RegExp][] = [
  ["event types", events.EventType, /KREPIS_EVENT_(\w+) =\s+(\d+)/g],
  ["event flags", events.EventFlag, /#define KREPIS_FLAG_(\w+) (\d+)u/g],
  ["close sources", events.CloseSource, /KREPIS_CLOSED_(\w+) = (\d+)/g],
  ["log levels", events.LogLevel, /KREPIS_LOG_(\w+) = (\d+)/g],
  ["ways to wake", events.Wake, /KREPIS_WAKE_(\w+) = (\d+)/g],
  ["write flags", events.WriteFlag, /#define KREPIS_WRITE_(\w+) (\d+)u/g],
  ["datagram policies", events.DatagramPolicy, /KREPIS_DATAGRAM_(BLOCK|DROP_\w+) = (\d+)/g],
  ["datagram fates", events.DatagramFate, /KREPIS_DATAGRAM_(ACKNOWLEDGED|LOST|DROPPED) = (\d+)/g],
];

for (const [title, here, pattern] of groups) {
  Deno.test(`the ${title} are those of the header`, () => {
    const header = readConstants("channel.h", pattern);
    strictEqual(header.length, Object.keys(here).length);
    for (const [name, value] of header) strictEqual(here[pascal(name)], value, name);
  });
}

Deno.test("the flag that asks for a datagram's fate is that of the header", () => {
  const [found] = readConstants("channel.h", /#define KREPIS_DATAGRAM_(REPORT_FATE) (0x\w+)u/g);
  strictEqual(events.DATAGRAM_REPORT_FATE, found?.[1]);
});
