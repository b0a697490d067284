// Reads a list of streams (JSON: base64 texts) from standard input and writes the events
// that eventsource-parser finds in each.
import { createParser } from "eventsource-parser";
import { readFileSync } from "node:fs";

const streams = JSON.parse(readFileSync(0, "utf8"));
const found = streams.map((stream) => {
  const events = [];
  const parser = createParser({
    onEvent: ({ data, id, event }) => events.push({ data, id: id ?? null, event: event ?? null }),
  });
  parser.feed(new TextDecoder("utf-8").decode(Buffer.from(stream, "base64")));
  return events;
});
console.log(JSON.stringify(found));
