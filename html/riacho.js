// Listens to a stream of events and shows it. One script for all pages: what a page
// listens to, and with which fields, stands in its HTML (`data-stream` and the form).
//
// A classic script, because browsers refuse modules to a page opened from disk (file://).
// The outer braces keep its names to itself, as a module would; the only global of these
// pages is `riachoTexts`, from texts.js.
"use strict";
{
  const find = (selector) => document.querySelector(selector);
  const [page, form, log, logs] = ["main", "form", "#log", "#logs"].map(find);
  const [startButton, stopButton, absence] = ["#start", "#stop", "#absence"].map(find);

  // --- Language ---------------------------------------------------------------------

  const isPortuguese = navigator.language.toLowerCase().startsWith("pt");

  /** The reader's words for an English text, with its {places} filled from `values`. */
  function say(text, values = {}) {
    const words = (isPortuguese && riachoTexts[text]) || text;
    return words.replace(/\{(\w+)\}/g, (place, name) => inWords(values[name]));
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
  function add(text, kind) {
    waiting.push({ text, kind });
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

  function makeLine({ text, kind }) {
    const line = document.createElement("div");
    line.className = `line ${kind}`;
    line.textContent = text; // never markup: anyone may write to a log
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
  let isShutOut = false; // there is a server, whose answers this page may not read
  let lastId = ""; // of the last event seen: where a later start goes on

  function start() {
    if (!lastId) clear();
    const url = ownAddress(page.dataset.stream, new FormData(form));
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
    on("message", (line) => {
      count += 1;
      add(line, levelOf(line));
      showAbsence(); // no longer
      if (logs) timer ??= setTimeout(describe, 1000); // the log's size has changed
    });
    for (const [name, text] of Object.entries(FACTS)) {
      on(name, (json) => {
        const fact = JSON.parse(json);
        add(say(text(fact), fact), "fact");
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
    if (source !== refused) return; // it was started again
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
    startButton.disabled = find("fieldset").disabled = isRunning;
    stopButton.disabled = !isRunning;
    // Who uses the keyboard must not lose the place.
    if (focused?.matches(":disabled")) (isRunning ? stopButton : startButton).focus();
    showAbsence();
    if (logs || (absence && state === "listening")) describe();
  }

  // --- The logs that are served ---------------------------------------------------------

  let timer;

  /** Show what is served (index.html), and whether it is there (the log's page, too). */
  async function describe() {
    timer = clearTimeout(timer);
    try {
      const answer = await fetch(ownAddress("logs"), { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) return find("#up")?.replaceChildren(say("The server asks for its token"));
      const described = await answer.json();
      showAbsence(described.logs.find(({ problem }) => problem));
      const template = logs?.querySelector("template");
      logs?.replaceChildren(template, ...described.logs.map((facts) => fill(template, facts)));
      find("#up")?.replaceChildren(say("The server is up"));
    } catch {
      const text = isShutOut ? "The server does not let this page read" : "The server does not answer";
      find("#up")?.replaceChildren(say(text));
    }
  }

  function showAbsence(facts) {
    if (!absence) return;
    const isAbsent = Boolean(facts) && find("#state").dataset.state === "listening";
    if (!isAbsent && !absence.hidden) timer = clearTimeout(timer);
    absence.hidden = !isAbsent;
    if (!isAbsent) return;
    absence.textContent = say("Waiting for {name}, which {problem}.", { ...facts, problem: say(facts.problem) });
    timer ??= setTimeout(describe, 10_000); // it may come without a line
  }

  function fill(template, facts) {
    const copy = template.content.cloneNode(true);
    for (const element of copy.querySelectorAll("[data-field]")) {
      element.textContent = inWords(facts[element.dataset.field]);
    }
    return copy;
  }

  // --- Wiring -----------------------------------------------------------------------

  translatePage();
  for (const element of document.querySelectorAll("[data-from-disk]")) element.hidden = !isFromDisk;
  showAddresses();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  form.addEventListener("input", () => {
    lastId = ""; // an id of another stream means nothing in this one
    showAddresses();
  });
  stopButton.addEventListener("click", () => {
    source.close();
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
  if ("autostart" in page.dataset || isFramed) form.requestSubmit();
}
