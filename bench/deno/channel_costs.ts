// What the data plane costs on the program's thread: decoding events in batches, serving requests without a network,
// a write of 64 bytes on a live stream, and how long an event takes from the worker to the program.
//   channel_costs.ts CERT KEY KNUL     prints one JSON object; KNUL is the command that makes the traffic
import {
  EventRing,
  EventType,
  FfiChannelConfig,
  FfiChannelRegion,
  FfiEvent,
  loadKrepisCore,
} from "@krepis/core";
import { Channel, type EventSink } from "../../packages/krepis-knul/_channel.ts";
import { FakeLibrary } from "../../packages/krepis-knul/_fake_library_for_tests.ts";
import { mapRegion } from "../../packages/krepis-knul/_region.ts";
import { WakeLoop } from "../../packages/krepis-knul/_wake.ts";
import { BLOCK, Header } from "./perf_protocol.ts";

const [cert, key, knul] = Deno.args;
const RECORDS = 64; // of the fake ring

/** Records that the channel hands out while the library does nothing. */
function batchRate(): number {
  const fake = FakeLibrary.open({});
  const words = new Uint32Array(fake.buffer);
  let seen = 0;
  const sink: EventSink = {
    handleEvent(word) {
      seen += fake.session.channel.u32[word + FfiEvent.length / 4] + 1;
    },
    handleFailure: raise,
  };
  const total = 20_000_000;
  const began = performance.now();
  for (let tail = RECORDS; tail <= total; tail += RECORDS) {
    Atomics.store(words, EventRing.tail / 4, tail);
    fake.session.channel.poll(sink);
  }
  return seen / (performance.now() - began) * 1000;
}

function raise(error: unknown): never {
  throw error;
}

/** Samples of the way from the worker's clock to the handler, and the cost of a write. */
class Probe implements EventSink {
  readonly latenciesUs: number[] = [];
  readonly writesNs: number[] = [];
  channel!: Channel;
  readonly #time = new BigInt64Array(2);
  readonly #libc = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });

  handleEvent(word: number, double: number): void {
    const { u32, f64 } = this.channel;
    const length = u32[word + FfiEvent.length / 4];
    const offset = u32[word + FfiEvent.offset / 4];
    if (u32[word] !== EventType.StreamData) {
      if (length > 0) this.channel.release(offset);
      return;
    }
    this.latenciesUs.push(this.#nowUs() - f64[double + FfiEvent.timestamp_us / 8]);
    const stream = u32[word + FfiEvent.stream / 4];
    if (length === 0) return;
    const size = Header.of(this.channel.view(offset, length));
    this.channel.release(offset);
    const part = BLOCK.subarray(0, 64);
    const began = performance.now();
    for (let left = size - 64; left > 0; left -= 64) this.channel.write(stream, part, false);
    const writes = size / 64 - 1;
    if (writes > 100) this.writesNs.push((performance.now() - began) / writes * 1e6);
    this.channel.write(stream, part, true);
  }

  handleFailure(error: unknown): void {
    raise(error);
  }

  #nowUs(): number {
    const CLOCK_MONOTONIC = 1;
    this.#libc.symbols.clock_gettime(CLOCK_MONOTONIC, this.#time);
    return Number(this.#time[0]) * 1e6 + Number(this.#time[1]) / 1000;
  }
}

async function probe(flags: string[]): Promise<Probe> {
  using core = loadKrepisCore();
  const handle = core.startJson({
    cert_path: cert,
    key_path: key,
    alpn: ["perf"],
    workers: 1,
    max_streams: 1000,
  });
  const region = new ArrayBuffer(FfiChannelRegion.size);
  const config = new DataView(new ArrayBuffer(FfiChannelConfig.size));
  config.setUint32(FfiChannelConfig.wake, 1, true);
  core.channel.krepis_channel_open(BigInt(handle), config.buffer, region);
  const mapped = mapRegion(region);
  const result = new Probe();
  result.channel = new Channel(core.channel, mapped, () => {});
  const wake = new WakeLoop(result.channel, result, mapped.wakeFd);
  const args = ["perf", `127.0.0.1:${core.port(handle)}`, "--insecure", "--json", ...flags];
  const { success } = await new Deno.Command(knul, { args, stdout: "null" }).output();
  if (!success) throw new Error("the client failed");
  wake.stop();
  result.channel.close();
  core.stop(handle, 0);
  return result;
}

function quantile(values: number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)];
}

batchRate();
const single = await probe(["--requests", "20000", "--depth", "1"]);
const writing = await probe(["--requests", "300", "--depth", "1", "--response-bytes", "64K"]);
console.log(JSON.stringify({
  events_per_second_in_batches: Math.round(batchRate()),
  event_delivery_p50_us: quantile(single.latenciesUs, 0.5),
  event_delivery_p99_us: quantile(single.latenciesUs, 0.99),
  write_of_64_bytes_ns: quantile(writing.writesNs, 0.5),
}));
