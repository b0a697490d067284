// Parse the stream at the URL given, cut at every byte; print so many events as JSON.
import { createParser } from "eventsource-parser";

const [url, wanted] = process.argv.slice(2);
const events = [];
const parser = createParser({ onEvent: (event) => events.push(event) });
const decoder = new TextDecoder();
const response = await fetch(url);
reading: for await (const chunk of response.body) {
  for (const byte of chunk) {
    parser.feed(decoder.decode(Uint8Array.of(byte), { stream: true }));
    if (events.length >= Number(wanted)) break reading;
  }
}
console.log(JSON.stringify(events));
