// Listens to a stream of events and shows it. One script for all pages: what a page
// listens to, and with which fields, stands in its HTML (`data-stream` and the form).
//
// A classic script, because browsers refuse modules to a page opened from disk (file://).
// The outer braces keep its names to itself, as a module would. The globals of these pages
// are `riachoTexts`, from texts.js, and `riachoLogs`, from logs.js.
"use strict";
{
  const find = (selector) => document.querySelector(selector);
  const [page, form, log] = ["main", "form", "#log"].map(find);
  const [startButton, stopButton] = ["#start", "#stop"].map(find);

  // --- Language ---------------------------------------------------------------------

  const isPortuguese = navigator.language.toLowerCase().startsWith("pt");

  /** The reader's words for an English text, with its {places} filled from `values`. */
  function say(text, values = {}) {
    const words = (isPortuguese && riachoTexts[text]) || text;
    return words.replace(/\{(\w+)\}/g, (place, name) => inWords(values[name] ?? place));
  }

  function inWords(value) {
    const language = document.documentElement.lang;
    return typeof value === "number" ? value.toLocaleString(language) : String(value);
  }

  function translatePage() {
    if (!isPortuguese) return;
    document.documentElement.lang = "pt-BR";
    const templates = [...document.querySelectorAll("template")].map((one) => one.content);
    for (const root of [document, ...templates]) {
      const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const node = texts.currentNode;
        const text = node.data.trim();
        if (text) node.data = node.data.replace(text, () => say(text));
      }
    }
    for (const element of document.querySelectorAll("[aria-label]")) {
      element.ariaLabel = say(element.ariaLabel);
    }
  }

  // --- Where the server is ----------------------------------------------------------

  // Served, the page stands beside the streams, under whatever prefix a proxy gives it.
  // Opened from disk, it has to be told.
  const isFromDisk = location.protocol === "file:";

  function address(path) {
    const base = isFromDisk ? find("#server").value.replace(/\/*$/, "/") : document.baseURI;
    return new URL(path, base);
  }

  /** The same for the page's own requests. */
  function ownAddress(path, query) {
    const url = address(path);
    url.search = new URLSearchParams(query);
    // JupyterHub believes a login cookie only with this token of its own beside it
    // (jupyterhub/_xsrf_utils.py), and EventSource cannot send a header.
    const token = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    if (token) url.searchParams.set("_xsrf", token);
    return url;
  }

  function showAddresses() {
    if (!form.checkValidity()) return; // an address that is being typed
    for (const element of document.querySelectorAll("[data-address]")) {
      const url = address(element.dataset.address);
      if (element.matches("a")) element.href = url;
      else element.textContent = url;
    }
  }

  // --- What has arrived -------------------------------------------------------------

  const kept = Number(page.dataset.keep ?? 1000); // a page may stay open for days
  let waiting = []; // lines that are not on the page yet
  let nextFrame = null;
  let count = 0;
  let isFollowing = true; // the end, until the reader scrolls up
  let lastTop = 0; // where the log was scrolled to last
  let lastWidth = 0; // and how wide it was

  // A burst of lines is drawn once a frame. A hidden tab draws no frames, so the lines
  // that wait must stay few by themselves.
  function add(text, kind, name) {
    waiting.push({ text, kind, name });
    if (waiting.length > 2 * kept) waiting = waiting.slice(-kept);
    nextFrame ??= requestAnimationFrame(draw);
  }

  function draw() {
    nextFrame = null;
    log.append(...waiting.slice(-kept).map(makeLine));
    waiting = [];
    while (log.childElementCount > kept) log.firstElementChild.remove();
    find("#count")?.replaceChildren(inWords(count));
    if (isFollowing) log.scrollTop = log.scrollHeight;
    lastTop = log.scrollTop;
    lastWidth = log.clientWidth;
  }

  function makeLine({ text, kind, name }) {
    const line = document.createElement("div");
    line.className = `line ${kind}`;
    line.textContent = text; // never markup: anyone may write to a log
    if (name) {
      const log = document.createElement("b");
      log.textContent = name;
      line.prepend(log, " ");
    }
    return line;
  }

  function levelOf(text) {
    return (/\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b/.exec(text) ?? [""])[0].toLowerCase();
  }

  function clear() {
    waiting = [];
    count = 0;
    log.replaceChildren();
    follow(true);
    draw();
  }

  function follow(isWanted) {
    isFollowing = isWanted;
    find("#jump")?.toggleAttribute("hidden", isFollowing);
  }

  // --- Listening --------------------------------------------------------------------

  const STATES = {
    stopped: "Stopped",
    connecting: "Connecting…",
    listening: "Listening",
    reconnecting: "Not connected; trying again…",
    queued: "No free connection: this page listens as soon as another one is closed or not looked at",
    unseen: "Nobody looks at this page: another one has its connection",
    finished: "Finished",
  };

  // Events with a name are facts about the stream itself; their data is JSON.
  const FACTS = {
    gap: ({ bytes }) => (bytes == null)
      ? "Gap: the place to continue from was not found. It goes on here."
      : "Gap: {bytes} bytes can no longer be read. It goes on here.",
    rotated: () => "The log was rotated: a new file begins here.",
    truncated: () => "The log was emptied: it begins anew here.",
    unfinished: () => "The next line is not finished yet.",
    continued: () => "The next line is the rest of the one above that was not finished.",
    hole: () => "Before the next line there are {bytes} NUL bytes, which are left out.",
    clipped: () => "The next line has {length} bytes; only the first {sent} are shown.",
    shutdown: () => "The server is shutting down.",
    refused: (fact) => {
      fact.seconds = Math.round(fact.retry / 1000);
      return "There are too many clients. Trying again in {seconds} seconds.";
    },
    close: () => "The server has finished.",
  };

  let source;
  let stream; // its address, with which it can go on
  let isShutOut = false; // there is a server, whose answers this page may not read
  let lastId = ""; // of the last event seen: where a later start goes on

  function start() {
    if (!lastId) {
      clear();
      stream = streamAddress();
    }
    show("connecting");
    connection.take(open, () => show("queued"));
  }

  function open() {
    const url = new URL(stream);
    // While it lives, EventSource remembers the last id by itself and sends it when it
    // reconnects. A new EventSource has to be told.
    if (lastId) url.searchParams.set("last_event_id", lastId);

    isShutOut = false;
    source = new EventSource(url);
    source.onopen = () => show("listening");
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) explain();
      else show("reconnecting");
    };
    const isTogether = served?.isTogether(url); // then each line has its log's name
    on("message", (data) => {
      const { log: name, line } = isTogether ? JSON.parse(data) : { line: data };
      count += 1;
      add(line, levelOf(line), name);
      served?.hear(name);
    });
    for (const [name, text] of Object.entries({ ...FACTS, ...served?.FACTS })) {
      on(name, (json) => {
        const fact = JSON.parse(json);
        add(say(text(fact), fact), "fact", fact.log);
        if (name.startsWith("log-")) served?.describeSoon();
      });
    }
    // Without this, EventSource takes the end of the stream for a lost connection.
    on("close", () => {
      source.close();
      lastId = "";
      show("finished");
    });
    show("connecting");
  }

  const connection = riachoConnection({
    leave: () => {
      source.close();
      connection.release();
      show("unseen");
    },
  });
  connection.whenSeen(() => {
    if (find("#state").dataset.state === "unseen") start();
  });

  /** Listen to what was chosen instead, if the page listens. */
  function startAnew() {
    const isRunning = !stopButton.disabled;
    source?.close();
    lastId = "";
    if (!isRunning) return clear();
    show("stopped"); // else the form would not give its fields
    start();
  }

  const streamAddress = () => ownAddress(page.dataset.stream, new FormData(form));

  function on(name, react) {
    source.addEventListener(name, (event) => {
      lastId = event.lastEventId || lastId;
      react(event.data);
    });
  }

  // A page that is being left loses its stream, too: that is no refusal.
  let isLeaving = false;
  addEventListener("beforeunload", () => {
    isLeaving = true;
    setTimeout(() => (isLeaving = false), 1000); // it may stay, after a download
  });

  /** Say why EventSource has given up, which it does not tell: ask once more, as it did. */
  async function explain() {
    if (isLeaving) return;
    const refused = source;
    const url = new URL(refused.url);
    if (lastId) url.searchParams.set("last_event_id", lastId);
    show("stopped");
    const reading = new AbortController();
    const options = { headers: { Accept: "text/event-stream" }, signal: reading.signal };
    const answer = await fetch(url, options).catch(() => null);
    const [text, values] = await reasonOf(answer).catch(() => ["Stopped"]);
    reading.abort(); // it may be a stream
    if (answer?.status === 400) await served?.describe();
    if (source !== refused) return; // it was started again
    if (answer?.status === 400 && served?.isUnnamed(stream)) {
      stream = streamAddress(); // the server has several logs by now: it has to be told which
      return start();
    }
    // EventSource comes back by itself to a server that is not there. It gives up where there
    // is an answer, and an answer that fetch may not read is for pages of other origins.
    isShutOut = !answer && isFromDisk;
    show("stopped", text, values);
    if (answer?.status === 401) find("#state").append(" ", makeTokenButton());
  }

  /** What `answer` says of the end of a stream: a text, and what belongs into its places. */
  async function reasonOf(answer) {
    if (!answer && isFromDisk) {
      return ["Stopped: the server does not let pages from disk read. Start it with --allow-origin null"];
    }
    if (!answer) return ["Stopped: the server cannot be reached"];
    if (answer.status === 204) return ["Stopped: the server has no more to send"];
    if (answer.status === 401) return ["Stopped: the server asks for its token"];
    if (answer.ok) return ["Stopped: the server refused, but would not do so now. Start again"];
    const isPlain = answer.headers.get("content-type")?.startsWith("text/plain");
    const why = isPlain ? (await answer.text()).split("\n")[0].slice(0, 200) : `HTTP ${answer.status}`;
    return ["Stopped: the server refused: {why}", { why }];
  }

  function makeTokenButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = say("Enter the token");
    // the server shows its login page first
    button.addEventListener("click", () => {
      if (isFromDisk) location.assign(address(location.pathname.split("/").at(-1)));
      else location.reload();
    });
    return button;
  }

  function show(state, text = STATES[state], values = {}) {
    const isRunning = state !== "stopped" && state !== "finished";
    const focused = document.activeElement;
    find("#state").dataset.state = state;
    find("#state").textContent = say(text, values);
    if (!isRunning) connection.release();
    startButton.disabled = find("fieldset").disabled = isRunning;
    stopButton.disabled = !isRunning;
    // Who uses the keyboard must not lose the place.
    if (focused?.matches(":disabled")) (isRunning ? stopButton : startButton).focus();
    served?.showAbsence();
    if (find("#logs") || state === "listening") served?.describe();
  }

  // --- Wiring -----------------------------------------------------------------------

  translatePage();
  const served = (typeof riachoLogs === "function")
    ? riachoLogs({ form, say, inWords, ownAddress, showAddresses, isShutOut: () => isShutOut, chosen: startAnew })
    : null;
  for (const element of document.querySelectorAll("[data-from-disk]")) element.hidden = !isFromDisk;
  showAddresses();

  // Whoever links to the page may say how much is wanted, as in ?backlog=100.
  const backlog = new URL(location).searchParams.get("backlog");
  if (backlog && form.elements.backlog) form.elements.backlog.value = backlog;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  form.addEventListener("input", () => {
    lastId = ""; // an id of another stream means nothing in this one
    showAddresses();
  });
  find("#server").addEventListener("change", () => served?.describe());
  stopButton.addEventListener("click", () => {
    source?.close();
    show("stopped");
  });
  find("#clear")?.addEventListener("click", () => {
    lastId = "";
    clear();
  });
  find("#jump")?.addEventListener("click", () => {
    follow(true);
    draw();
    log.focus();
  });
  log.addEventListener("scroll", () => {
    if (log.clientWidth !== lastWidth) return; // not the reader: lines wrap anew, see below
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
    // Not at the end, and yet not moved up: the end has moved, as when lines wrap anew.
    if (isAtEnd || log.scrollTop < lastTop) follow(isAtEnd);
    lastTop = log.scrollTop;
  });
  new ResizeObserver(draw).observe(log); // a window that gets narrower moves the end

  // In a frame, as of a notebook, there is room for the log only.
  const isFramed = location.hash === "#listen";
  document.body.classList.toggle("framed", isFramed);
  const isStarted = "autostart" in page.dataset || isFramed;
  const looked = served?.describe() ?? Promise.resolve();
  if (isStarted) looked.then(() => form.requestSubmit()); // which log, is known only then
}
