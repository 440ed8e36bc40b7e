(() => {
"use strict";
const { base, query, report, state } = document.body.dataset;
const tail = query ? `?${query}` : "";
const byId = (id) => document.getElementById(id);
const rows = Array.from(document.querySelectorAll("[data-clip]"));
const isList = rows.length > 0 && rows[0].localName === "tr";
const said = byId("said"), trouble = byId("trouble"), keys = byId("keys");
const PICTURES_AT_ONCE = 3, LOOK_AGAIN_MS = 700;
let current = -1, begun = false;

// What is said

function say(text) {
  trouble.textContent = "";
  said.textContent = text;
}
function complain(text) {
  said.textContent = "";
  trouble.textContent = text;
}

// Asking the program

async function ask(path, values) {
  const options = values === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Lipaccord": "review" },
    body: JSON.stringify(values),
  };
  let answer;
  try {
    answer = await fetch(base + path, { ...options, redirect: "error" });
  } catch {
    throw new Error("the program does not answer; see whether it still runs");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim().slice(0, 300) || `refused (${answer.status})`);
  return answer.json();
}

// The list

function choose(index, focus = true) {
  if (index < 0 || index >= rows.length) return;
  if (rows[current]) {
    rows[current].removeAttribute("aria-current");
    if (isList) rows[current].tabIndex = -1;
  }
  current = index;
  const row = rows[index];
  row.setAttribute("aria-current", "true");
  if (isList) {
    row.tabIndex = 0;
    if (begun) history.replaceState(null, "", `#${row.id}`);  // earlier, the browser would scroll there
  }
  if (focus) {
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}
function goOn(index) {
  if (!isList) return "";
  const next = rows.findIndex((row, at) => at > index && !row.dataset.verdict);
  if (next >= 0) {
    choose(next);
    return ` Next: ${rows[next].dataset.name}.`;
  }
  const link = byId("next");
  if (link) link.focus();
  return link ? " That was the last one of this page; Enter goes on." : " Nothing undecided is left below.";
}

// Decisions

const part = (row, selector) => row.querySelector(selector);
function show(row, decision) {
  row.dataset.verdict = decision.verdict ?? "";
  for (const button of row.querySelectorAll(".verdict")) {
    button.setAttribute("aria-pressed", String(button.dataset.do === decision.verdict));
  }
  part(row, ".state .text").textContent = decision.text;
  part(row, ".state .by").textContent = decision.by;
  part(row, ".written").textContent = part(row, "textarea").value = decision.note;
  part(row, ".written").hidden = !decision.note;
  part(row, "[data-do=undo]").disabled = !decision.any;
}
async function change(row, path, values, tell) {
  if (row.ariaBusy === "true") return;
  row.ariaBusy = "true";
  try {
    const decision = await ask(`/clip/${row.dataset.clip}/${path}`, values);
    show(row, decision);
    row.ariaBusy = "false";
    tell(decision);
    await renewHistory();
  } catch (error) {
    row.ariaBusy = "false";
    complain(`Not kept, ${row.dataset.name}: ${error.message}`);
  }
}
async function renewHistory() {
  const own = byId("history");
  if (!own) return;
  const answer = await fetch(location.href);
  const renewed = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("history");
  if (renewed) own.replaceChildren(...renewed.childNodes);
}
function decide(index, verdict, what = "") {
  const row = rows[index];
  fold(row);
  return change(row, "decision", { verdict, what }, (decision) => {
    const own = `${decision.text}: ${row.dataset.name}.`;
    say(own + (index === current ? goOn(index) : ""));
  });
}
function undo(index) {
  const row = rows[index];
  if (part(row, "[data-do=undo]").disabled) return say(`Nothing to take back: ${row.dataset.name}.`);
  return change(row, "undo", {}, (decision) => {
    if (row.contains(document.activeElement)) row.focus({ preventScroll: true });  // the button may be gone
    say(`Taken back: ${row.dataset.name}. Now: ${decision.text}.`);
  });
}
function save(index) {
  const row = rows[index], note = part(row, "textarea").value.trim();
  return change(row, "decision", { note }, () => {
    leaveNote(row);
    say(`Note kept: ${row.dataset.name}.`);
  });
}

// What unfolds in a row

const expand = (row, name, open) => part(row, `[data-do=${name}]`).setAttribute("aria-expanded", String(open));
function unfold(index) {
  const row = rows[index];
  choose(index, false);
  part(row, ".what").hidden = false;
  expand(row, "confirm", true);
  part(row, ".what .first").focus();
}
function fold(row) {
  const what = part(row, ".what"), inside = what.contains(document.activeElement);
  what.hidden = true;
  expand(row, "confirm", false);
  if (inside) row.focus({ preventScroll: true });
}
function writeNote(index) {
  const row = rows[index];
  choose(index, false);
  part(row, ".note").hidden = false;
  expand(row, "note", true);
  part(row, "textarea").focus();
}
function leaveNote(row) {
  part(row, ".note").hidden = true;
  expand(row, "note", false);
  row.focus({ preventScroll: true });
}

// Keys and clicks

const toReport = (index) => { location.href = `${base}/clip/${rows[index].dataset.clip}/report${tail}`; };
const DEEDS = {
  confirm: (index) => (part(rows[index], ".what").hidden ? unfold(index) : fold(rows[index])),
  dismiss: (index) => decide(index, "dismiss"),
  unsure: (index) => decide(index, "unsure"),
  note: (index) => (part(rows[index], ".note").hidden ? writeNote(index) : leaveNote(rows[index])),
  save,
  undo,
};
const KEYS = {
  c: (index) => {
    const row = rows[index];
    if (part(row, ".what").hidden) unfold(index);
    else decide(index, "confirm", row.dataset.confirms);
  },
  d: DEEDS.dismiss, u: DEEDS.unsure, n: writeNote, z: undo,
};
const LIST_KEYS = {
  j: () => choose(Math.min(current + 1, rows.length - 1)), ArrowDown: () => LIST_KEYS.j(),
  k: () => choose(Math.max(current - 1, 0)), ArrowUp: () => LIST_KEYS.k(),
  o: () => toReport(current),
};
const WHATS = { s: "sound", m: "mouth", b: "both" };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
  const { target, key } = event, row = rows[current];
  if (target.matches("textarea")) return inNote(event);
  if (target.matches("input, select")) {
    if (key === "Escape" && row) row.focus();
    return;
  }
  const chooses = row && !part(row, ".what").hidden;
  let deed;
  if (key === "?") deed = () => keys.showModal();
  else if (key === "/" && byId("search")) deed = () => byId("search").select();
  else if (chooses && key === "Escape") deed = () => fold(row);
  else if (chooses && key in WHATS) deed = () => decide(current, "confirm", WHATS[key]);
  else if (row && key in KEYS) deed = () => KEYS[key](current);
  else if (row && isList && key in LIST_KEYS) deed = LIST_KEYS[key];
  else if (row && isList && key === "Enter" && [row, document.body].includes(target)) deed = LIST_KEYS.o;
  if (!deed || (event.repeat && !(key in LIST_KEYS))) return;
  event.preventDefault();
  deed();
}
function inNote(event) {
  const index = rows.findIndex((row) => row.contains(event.target));
  if (event.key === "Escape") leaveNote(rows[index]);
  else if (event.key === "Enter" && !event.shiftKey) save(index);
  else return;
  event.preventDefault();
}
function onClick(event) {
  const index = rows.findIndex((row) => row.contains(event.target));
  if (index < 0) return;
  const button = event.target.closest("button");
  if (index !== current) choose(index, false);
  if (!button) return;
  if (button.dataset.what) decide(index, "confirm", button.dataset.what);
  else DEEDS[button.dataset.do](index);
}
document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);
document.addEventListener("focusin", (event) => {
  const index = rows.findIndex((row) => row.contains(event.target));
  if (index >= 0 && index !== current) choose(index, false);
});
byId("show-keys").addEventListener("click", () => keys.showModal());
const filter = byId("filter");
if (filter) {
  filter.classList.toggle("folded", !filter.dataset.filtered);  // on a small screen
  byId("more-filters").addEventListener("click", () => {
    filter.classList.remove("folded");
    filter.querySelector(".rest input").focus();
  });
  filter.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of Array.from(formData)) if (!value.trim()) formData.delete(name);
  });
}

// Pictures, a few at a time, as their rows come into view: what is in view last comes first

const wanted = [];
let loading = 0;
async function load(place) {
  watcher.unobserve(place);
  loading += 1;
  let picture, why;
  try {
    ({ picture, trouble: why } = await ask(`/clip/${place.dataset.picture}/picture${tail}`));
  } catch (error) {
    why = error.message;
  }
  if (picture) {
    const image = document.createElement("img");
    image.alt = "";
    image.src = picture;
    place.replaceChildren(image);
  } else {
    place.textContent = why;
    place.classList.add("gone");
  }
  place.dataset.shown = picture ? "picture" : "words";
  loading -= 1;
  loadMore();
}
function loadMore() {
  while (loading < PICTURES_AT_ONCE && wanted.length) load(wanted.pop());
}
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries.reverse()) {
    const at = wanted.indexOf(target);
    if (isIntersecting && at < 0) wanted.push(target);
    else if (!isIntersecting && at >= 0) wanted.splice(at, 1);
  }
  loadMore();
}, { rootMargin: "150px" });
for (const place of document.querySelectorAll("[data-picture]")) watcher.observe(place);

const total = byId("total");
if (total && isList) {
  ask(`/count?${total.dataset.query}`).then((told) => { total.textContent = told.total; }, (error) => complain(error.message));
}

// A report on its way

async function follow() {
  let told;
  try {
    told = await ask(`/clip/${report}/report/state${tail}`);
  } catch (error) {
    told = { state: "failed", trouble: error.message };
  }
  if (told.state === "done") return location.reload();
  if (told.state === "failed") {
    byId("waiting-title").textContent = "The report could not be made";
    byId("why").textContent = told.trouble;
    byId("going").hidden = true;
    byId("failed").hidden = false;
    return undefined;
  }
  if (told.progress > 0) {
    byId("progress").value = told.progress;
    const whole = Math.floor(100 * told.progress);
    byId("how-far").textContent = told.progress < 1 ? `${whole}% of the pictures are examined.` : "The report is written.";
  }
  return setTimeout(follow, LOOK_AGAIN_MS);
}
if (state === "waiting" || state === "running") follow();

// Where it begins

const LIST = "lipaccord-list";
if (isList) {
  const named = rows.findIndex((row) => `#${row.id}` === location.hash);
  choose(Math.max(named, 0), named >= 0);
  addEventListener("pagehide", () => sessionStorage.setItem(LIST, location.search + location.hash));
} else if (rows.length) {
  choose(0, false);
}
const back = byId("back"), list = sessionStorage.getItem(LIST);
if (back && list !== null) back.href = `${base}/${list}`;
begun = true;
document.documentElement.dataset.ready = "true";
})();
