// Shows the token in a header instead of the address, where others might see it. Without
// this script the form does as well.
"use strict";
{
  const form = document.querySelector("form");
  const texts = { 401: "#wrong", 429: "#wait" };

  /** Say why a token did not let anyone in, by the status of the answer. */
  function explain(status) {
    for (const text of Object.values(texts)) document.querySelector(text).hidden = true;
    document.querySelector(texts[status] ?? texts[401]).hidden = false;
  }

  // A token that did not let anyone in is still nearly the right one, or another server's.
  const page = new URL(location);
  if (page.searchParams.has("token")) {
    page.searchParams.delete("token");
    history.replaceState(null, "", page);
    explain(performance.getEntriesByType("navigation")[0]?.responseStatus);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = { Authorization: `Bearer ${form.elements.token.value.trim()}` };
    const answer = await fetch(page, { headers }).catch(() => null);
    if (answer?.ok) location.reload();
    else explain(answer?.status);
  });
}
