// Stores files and shows their progress. A stream is one file: a line "name bytes", then its contents.
//   deno run --allow-ffi --allow-env=KREPIS_LIBRARY --allow-write=uploads \
//     examples/file_upload.ts cert.pem key.pem 4433 uploads
import { AdapterBuilder, type QuicStream } from "@krepis/knul";

const [cert = "", key = "", port = "0", folder = "uploads"] = Deno.args;
const adapter = new AdapterBuilder().certPath(cert).keyPath(key).port(Number(port)).build();
const LINE_FEED = 10;
const NOT_ACCEPTED = 1; // application code of this example
const LONGEST_LINE = 1_000;

adapter.onStream(async (stream) => {
  const first = await readLine(stream);
  const end = first.indexOf(LINE_FEED);
  const line = new TextDecoder().decode(first.subarray(0, Math.max(end, 0)));
  const [, name, size] = /^([\w.-]+) (\d+)$/.exec(line) ?? [];
  if (name === undefined || name.startsWith(".")) {
    stream.stopSending(NOT_ACCEPTED);
    return stream.reset(NOT_ACCEPTED);
  }
  const stored = await store(stream, first.slice(end + 1), name, Number(size));
  await stream.end(new TextEncoder().encode(`stored ${stored} bytes of ${name}\n`));
});

/** Reads the line and the bytes behind it. A packet may end anywhere, so a line may arrive in parts. */
async function readLine(stream: QuicStream): Promise<Uint8Array<ArrayBuffer>> {
  let line = new Uint8Array(0);
  while (!line.includes(LINE_FEED) && line.length <= LONGEST_LINE) {
    const part = await stream.read();
    if (part === null) break;
    const joined = new Uint8Array(line.length + part.length); // a copy: `part` is lent until the next read
    joined.set(line);
    joined.set(part, line.length);
    line = joined;
  }
  return line;
}

async function store(stream: QuicStream, start: Uint8Array<ArrayBuffer>, name: string, size: number) {
  using file = await Deno.open(`${folder}/${name}`, { write: true, create: true, truncate: true });
  let stored = 0;
  let shown = 0;
  const writer = file.writable.getWriter();
  const append = async (bytes: Uint8Array<ArrayBuffer>) => {
    await writer.write(bytes); // the stream's bytes are lent until the next read, after this
    stored += bytes.length;
    const percent = Math.floor(stored / size * 10) * 10;
    if (percent > shown) console.log(`${name}: ${shown = percent} %`);
  };
  if (start.length > 0) await append(start);
  for await (const bytes of stream) await append(bytes);
  await writer.close();
  return stored;
}

await adapter.start();
console.log(`listening on 127.0.0.1:${adapter.port}`);
