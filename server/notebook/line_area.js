// Shows the last lines of a stream. Lines come in batches, as custom messages:
// {lines: [[text, kind], ...], clear: bool}; a view that is new asks for those there are.
// Where there are several logs, a line is [text, kind, log, number]: the log's name and its number.

const COLOURS = 8; // in the style sheet

export default {
  render({ model, el }) {
    const area = document.createElement("div");
    area.className = "riacho-lines";
    area.tabIndex = 0; // so that the keyboard can scroll it
    area.setAttribute("role", "log");
    area.setAttribute("aria-label", "Lines");
    el.append(area);

    let isFollowing = true; // the end, until the reader scrolls up
    let lastTop = 0;

    area.addEventListener("scroll", () => {
      const isAtEnd = area.scrollHeight - area.scrollTop - area.clientHeight < 8;
      if (isAtEnd || area.scrollTop < lastTop) isFollowing = isAtEnd;
      lastTop = area.scrollTop;
    });

    function show({ lines, clear }) {
      const bound = model.get("bound");
      if (clear) area.replaceChildren();
      area.append(...lines.slice(-bound).map(makeLine));
      while (area.childElementCount > bound) area.firstElementChild.remove();
      if (isFollowing) area.scrollTop = area.scrollHeight;
      lastTop = area.scrollTop;
    }

    function makeLine([text, kind, log, number]) {
      const line = document.createElement("div");
      line.className = kind;
      line.textContent = text; // never markup: anyone may write to a log
      if (log) {
        const name = document.createElement("span");
        name.className = `log log-${number % COLOURS}`;
        name.textContent = log;
        line.prepend(name, " ");
      }
      return line;
    }

    model.on("msg:custom", show);
    model.send({ want: "all" });
    return () => model.off("msg:custom", show);
  },
};
