// Which pages may hold a stream open. Over HTTP/1.1 a browser opens six connections to a server,
// for all of its tabs and frames together; a seventh request waits without a word, be it that of
// JupyterLab which wants to save. So Riacho's pages take MOST of them at the same time, and any
// other page waits, and says so. A page that nobody looks at makes room for one that waits.
//
// riacho.js calls this with `leave`, which is called when the page has to make room.
"use strict";

const riachoConnection = ({ leave }) => {
  const MOST = 4;
  const PLACES = Array.from({ length: MOST }, (_, number) => `riacho-stream-${number}`);
  const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";
  // Web Locks count across tabs. Without them, as where a page comes over plain HTTP from
  // another machine, each page takes its chance; over HTTP/2 there is room for all.
  const isLimited = location.protocol !== "file:" && Boolean(navigator.locks) && !/^h[23]/.test(protocol);

  let giveBack = null; // ends the lock that the page holds
  let wanting = null; // ends the wait for one
  let isInView = true; // a frame may be scrolled out of sight, or lie in a tab that is not shown

  /** Call `taken` when the page may open its stream, at once or later; `queued` if it waits. */
  async function take(taken, queued) {
    release();
    if (!isLimited) return taken();
    const wanted = (wanting = new AbortController());
    const isOver = () => wanted !== wanting || giveBack !== null;
    const hold = (lock) => {
      if (!lock || isOver()) return undefined;
      return new Promise((end) => {
        giveBack = end;
        taken();
        makeRoom(); // it may have waited until nobody looked at it any more
      });
    };
    for (const name of PLACES) {
      // A promise of its own: that of `request` lasts as long as the lock is held.
      await new Promise((asked) => {
        navigator.locks.request(name, { ifAvailable: true }, (lock) => {
          const held = hold(lock);
          asked();
          return held;
        }).catch(() => { // a page that may have no locks, as in a sandbox
          if (!isOver()) taken(giveBack = () => {});
          asked();
        });
      });
      if (isOver()) return;
    }
    queued();
    const { signal } = wanted;
    for (const name of PLACES) {
      navigator.locks.request(name, { signal }, (lock) => {
        const held = hold(lock);
        if (held) wanted.abort(); // the other requests
        return held;
      }).catch(() => {}); // it was aborted
    }
    room.postMessage("wanted");
  }

  /** Give the place back, or wait for it no longer. */
  function release() {
    wanting?.abort();
    giveBack?.();
    wanting = giveBack = null;
  }

  const isSeen = () => isInView && document.visibilityState === "visible";

  async function makeRoom() {
    if (!giveBack || isSeen()) return;
    const { pending } = await navigator.locks.query();
    if (giveBack && !isSeen() && pending.some(({ name }) => PLACES.includes(name))) leave();
  }

  const room = isLimited ? new BroadcastChannel("riacho-room") : null;
  if (isLimited) {
    room.onmessage = makeRoom;
    document.addEventListener("visibilitychange", makeRoom);
  }

  /** Call `seen` whenever somebody looks at the page again. */
  function whenSeen(seen) {
    const look = () => isSeen() && seen();
    document.addEventListener("visibilitychange", look);
    new IntersectionObserver(([{ isIntersecting }]) => {
      isInView = isIntersecting;
      makeRoom();
      look();
    }).observe(document.documentElement);
  }

  return { take, release, whenSeen };
};
