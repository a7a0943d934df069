// Keys and live figures. Everything the page does works without this.
"use strict";

const page = document.body.dataset.page;
const items = () => [...document.querySelectorAll("[data-item]")];
const chosen = () => document.activeElement?.closest("[data-item]");
const tell = (text) => { document.getElementById("told").textContent = text; };
const follow = (relation) => document.querySelector(`a[rel=${relation}]`)?.click();

function step(by) {
  const all = items();
  const at = all.indexOf(chosen());
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  if (next) next.focus();
  return Boolean(next);
}

function say(word, within, hint) {
  const button = within?.querySelector(`[data-word=${word}]`);
  if (button) button.click();
  else tell(hint);
}

const keys = {
  list: {
    j: () => step(1) || follow("next"),
    k: () => step(-1) || follow("prev"),
    Enter: () => chosen()?.querySelector("[data-open]").click(),
    c: () => say("c", chosen(), "Choose a group first, with j and k."),
    n: () => follow("next"),
  },
  group: {
    j: () => follow("next"),
    k: () => follow("prev"),
    n: () => follow("next"),
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    p: () => say("p", chosen(), "Choose a picture first, with the arrow keys."),
    s: () => say("s", chosen(), "Choose a picture first, with the arrow keys."),
    c: () => say("c", document, "This group is confirmed already."),
  },
}[page] ?? {};
keys.ArrowDown = keys.j;
keys.ArrowUp = keys.k;
keys["?"] = () => {
  const help = document.getElementById("keys");
  if (!help) return;
  help.open = !help.open;
  help.querySelector("summary").focus();
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  const pressing = event.key === "Enter" && event.target.closest("a, button, summary");
  if (event.ctrlKey || event.altKey || event.metaKey || typing || pressing || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

const live = document.querySelector("[data-live]");
if (live) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
      live.replaceChildren(...fresh.childNodes);
    } catch {
      tell("The page does not answer: these figures are old.");
    }
  }, 1000 * Number(live.dataset.live));
}
