// The logs that the server has: which there are, how they are, and which of them the page
// listens to. A page that has a picker (`#choice`) lets the reader choose, and keeps the choice
// in its own address, as in ?log=app.log; one log needs no choice.
//
// riacho.js calls this with what it takes of the page, and `chosen`, which is called when the
// reader has chosen.
"use strict";

const riachoLogs = ({ form, say, inWords, ownAddress, showAddresses, isShutOut, chosen }) => {
  const find = (selector) => document.querySelector(selector);
  const [list, absence, choice, shown] = ["#logs", "#absence", "#choice", "#shown"].map(find);
  const title = document.title;

  const ALL = queryOf(["*"]);
  const MOST_TOGETHER = 64; // logs that a server sends in one stream

  // --- Which one the page listens to ------------------------------------------------

  let known = null; // what the server has said of each of its logs
  let wanted = queryOf(new URL(location).searchParams.getAll("log")); // by the reader

  /** The part of an address that asks for these logs. */
  function queryOf(names) {
    return String(new URLSearchParams(names.map((name) => ["log", name])));
  }

  function namesIn(query) {
    return new URLSearchParams(query).getAll("log");
  }

  /** The same for what the page listens to; empty where the server has one log. */
  function current() {
    if (wanted || !known || known.length === 1) return wanted;
    return known.length > MOST_TOGETHER ? queryOf([known[0].name]) : ALL;
  }

  function isPattern(name) {
    return /[*?[]/.test(name);
  }

  /** Whether the stream at `url` is one of several logs, and so has their names. */
  function isTogether(url) {
    const names = namesIn(url.search);
    return names.length > 1 || names.some(isPattern);
  }

  /** Whether the stream at `url` names no log, where one has to be named. */
  function isUnnamed(url) {
    return Boolean(current()) && !namesIn(url.search).length;
  }

  function isListenedTo(name) {
    const names = namesIn(current());
    return !names.length || names.includes(name) || names.some(isPattern);
  }

  form.addEventListener("formdata", ({ formData }) => {
    for (const name of namesIn(current())) formData.append("log", name);
  });

  // --- The picker -------------------------------------------------------------------

  function showChoice() {
    const query = current();
    const names = query ? namesIn(query) : (known ?? []).map(({ name }) => name);
    const text = query === ALL ? say("All logs together") : names.join(", ");
    // What was chosen can be chosen still, and be left, if it is not there any more.
    const isChoice = Boolean(query) && (known?.length !== 1 || query !== queryOf([known[0].name]));
    shown?.replaceChildren(text);
    if (!choice) return;
    const options = new Map((known ?? []).map(({ name }) => [queryOf([name]), name]));
    fillChoice(new Map([[ALL, say("All logs together")], ...options]).set(query, text));
    document.title = isChoice ? `${text} – Riacho` : title;
    for (const element of document.querySelectorAll("[data-several]")) element.hidden = !isChoice;
    if (!isChoice) form.elements.from.checked = false;
  }

  /** Offer what can be chosen, the texts by the queries. A list that is open stays as it is. */
  function fillChoice(options) {
    const before = [...choice.options].map(({ value }) => value);
    if (String(before) !== String([...options.keys()])) {
      choice.replaceChildren(...[...options].map(([query, text]) => new Option(text, query)));
    }
    choice.value = current();
  }

  choice?.addEventListener("change", () => {
    wanted = choice.value;
    const address = new URL(location);
    address.searchParams.delete("log");
    for (const name of namesIn(wanted)) address.searchParams.append("log", name);
    history.replaceState(null, "", address);
    showChoice();
    chosen();
  });
  // No stream of one log tells of others. A reader who is about to choose sees those that there are now.
  for (const event of ["focus", "pointerenter"]) choice?.addEventListener(event, () => describe());

  // --- What the server says of its logs ---------------------------------------------

  let timer;
  let soon;

  /** Ask the server, and show what it says. */
  async function describe() {
    timer = clearTimeout(timer);
    soon = clearTimeout(soon);
    try {
      const answer = await fetch(ownAddress("logs"), { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) return find("#up")?.replaceChildren(say("The server asks for its token"));
      take((await answer.json()).logs);
      find("#up")?.replaceChildren(say("The server is up"));
    } catch {
      const text = isShutOut() ? "The server does not let this page read" : "The server does not answer";
      find("#up")?.replaceChildren(say(text));
    }
  }

  /** The same in a moment, however many ask for that. */
  function describeSoon() {
    soon ??= setTimeout(describe, 1000);
  }

  function take(logs) {
    const [only, ...others] = known ?? [];
    // The only log, which the page has listened to, is one of several now.
    if (only && !others.length && logs.length > 1 && logs.some(({ name }) => name === only.name)) {
      wanted ||= queryOf([only.name]);
    }
    known = logs;
    showChoice();
    showAbsence(known.find(({ name, problem }) => problem && isListenedTo(name)));
    const template = list?.querySelector("template");
    list?.replaceChildren(template, ...known.map((facts) => fill(template, facts)));
    for (const example of document.querySelectorAll("[data-address^='stream-logs?']")) {
      const url = new URL(example.dataset.address, "http://server/");
      if (current()) url.searchParams.set("log", "*");
      else url.searchParams.delete("log");
      example.dataset.address = `stream-logs${url.search}`;
    }
    showAddresses();
  }

  function fill(template, facts) {
    const copy = template.content.cloneNode(true);
    for (const element of copy.querySelectorAll("[data-field]")) {
      element.textContent = inWords(facts[element.dataset.field] ?? "–");
    }
    return copy;
  }

  // What streams say of logs and of what writes them. See riacho.js.
  const FACTS = {
    "log-added": () => "This log is new.",
    "log-removed": () => "This log is gone.",
    "source-started": () => "What writes this log was started.",
    "source-ended": (fact) => {
      const { why, signal, code = null } = fact; // the words are those of one of riachoTexts
      fact.why = say(why.replace(signal ?? code, signal ? "{signal}" : "{code}"), fact);
      return (fact.again_in == null)
        ? "What writes this log {why}."
        : "What writes this log {why}. It is started again in {again_in} seconds.";
    },
    "source-lost": () => "{lines} lines of this log could not be kept: {why}.",
  };

  // --- Why nothing comes ------------------------------------------------------------

  let absent; // the name of the log that is waited for

  function showAbsence(facts) {
    if (!absence) return;
    const isAbsent = Boolean(facts) && find("#state").dataset.state === "listening";
    if (!isAbsent && !absence.hidden) timer = clearTimeout(timer);
    absence.hidden = !isAbsent;
    absent = isAbsent ? facts.name : undefined;
    if (!isAbsent) return;
    absence.textContent = say("Waiting for {name}, which {problem}.", { ...facts, problem: say(facts.problem) });
    timer ??= setTimeout(describe, 10_000); // it may come without a line
  }

  /** A line has come: of the log called `name` where there are several. */
  function hear(name) {
    if (name === undefined || name === absent) showAbsence();
    if (list) describeSoon(); // the log's size has changed
  }

  showChoice();
  return { FACTS, describe, describeSoon, showAbsence, hear, isTogether, isUnnamed };
};
