// better-sse on Node's own HTTP server: one channel, to which each line is broadcast.

import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const log = process.argv[2];
const channel = createChannel();
let offset = statSync(log).size;
let rest = Buffer.alloc(0);

const tail = spawn("tail", [
  `--bytes=+${offset + 1}`,
  "--follow",
  `--pid=${process.pid}`,
  log,
]);
tail.stdout.on("data", (data) => {
  rest = Buffer.concat([rest, data]);
  let start = 0;
  for (let end; (end = rest.indexOf(10, start)) >= 0; start = end + 1) {
    offset += end + 1 - start;
    channel.broadcast(rest.toString("utf8", start, end), "message", { eventId: `${offset}` });
  }
  rest = rest.subarray(start);
});

const server = createServer(async (request, response) => {
  const session = await createSession(request, response, { serializer: (line) => line });
  channel.register(session);
  session.push("stream opened", "open");
});
server.listen(0, "127.0.0.1", 1024, () => {
  console.log(`  http://127.0.0.1:${server.address().port}/`);
});
