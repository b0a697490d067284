// Shows the token in a header instead of the address, where others might see it. Without
// this script the form does as well.
"use strict";
{
  const form = document.querySelector("form");
  const wrong = document.querySelector("#wrong");

  // A token that did not let anyone in is still nearly the right one, or another server's.
  const page = new URL(location);
  if (page.searchParams.has("token")) {
    page.searchParams.delete("token");
    history.replaceState(null, "", page);
    wrong.hidden = false;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = { Authorization: `Bearer ${form.elements.token.value.trim()}` };
    const answer = await fetch(page, { headers }).catch(() => null);
    if (answer?.ok) location.reload();
    else wrong.hidden = false;
  });
}
