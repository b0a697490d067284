// Listen to the URL given until the server says to stop; print what was seen as JSON.
import { EventSource } from "eventsource";

const seen = { data: [], ids: [], closes: 0, opens: 0 };
const source = new EventSource(process.argv[2]);
source.onopen = () => (seen.opens += 1);
source.onmessage = (event) => {
  seen.data.push(event.data);
  seen.ids.push(event.lastEventId);
};
source.addEventListener("close", () => (seen.closes += 1));
source.onerror = (error) => {
  if (source.readyState !== EventSource.CLOSED) return;
  seen.state = "closed";
  seen.code = error.code;
  console.log(JSON.stringify(seen));
};
