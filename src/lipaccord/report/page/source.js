// Buttons, keys, views and the line of the wipe.

const LONGEST_S = 0.5; // that a moment stays while it is played
const stage = document.getElementById("stage");
const slider = document.getElementById("moment");
const divider = document.getElementById("divider");
const playButton = document.getElementById("play");
const speed = document.getElementById("speed");
const views = Array.from(document.querySelectorAll("input[name=view]"));
let run = null; // stands for what is being played

function pause() {
  run = null;
  playButton.textContent = "Play";
}

async function play() {
  const mine = {};
  run = mine;
  playButton.textContent = "Pause";
  if (at === LAST) await show(0);
  let due = performance.now();
  while (run === mine && at < LAST) {
    due = Math.max(performance.now(), due + (1000 * Math.min(FRAMES[at + 1] - FRAMES[at], LONGEST_S)) / speed.value);
    await new Promise((done) => setTimeout(done, due - performance.now()));
    if (run === mine) await show(at + 1);
  }
  if (run === mine) pause();
}

function toggle() {
  if (run) pause();
  else play();
}

function goTo(index) {
  pause();
  show(index);
}

function goToTime(time) {
  pause();
  seek(time);
}

// What a stretch on the bar is clicked for; plots.js calls it.
function choose(start) {
  goToTime(start);
}

function setView(name) {
  mode = name;
  stage.dataset.view = name;
  for (const one of views) one.checked = one.value === name;
  divider.hidden = name !== "wipe";
  document.getElementById("right-figure").hidden = name !== "side";
  document.getElementById("wipe-side").hidden = name !== "wipe";
  document.getElementById("heat-side").hidden = name !== "heat";
  repaint();
}

function setWipe(share) {
  wipe = clamped(share, 0, 1);
  divider.style.left = `${100 * wipe}%`;
  divider.setAttribute("aria-valuenow", Math.round(100 * wipe));
  divider.setAttribute("aria-valuetext", `${Math.round(100 * wipe)}% clip`);
  repaint();
}

function wipeTo(event) {
  const box = left.getBoundingClientRect();
  setWipe((event.clientX - box.left) / box.width);
}

const laid = left.parentElement;
laid.addEventListener("pointerdown", (event) => {
  if (mode !== "wipe") return;
  laid.setPointerCapture(event.pointerId);
  wipeTo(event);
});
laid.addEventListener("pointermove", (event) => laid.hasPointerCapture(event.pointerId) && wipeTo(event));

const WIPES = {
  ArrowLeft: () => wipe - 0.02,
  ArrowDown: () => wipe - 0.02,
  ArrowRight: () => wipe + 0.02,
  ArrowUp: () => wipe + 0.02,
  PageDown: () => wipe - 0.2,
  PageUp: () => wipe + 0.2,
  Home: () => 0,
  End: () => 1,
};
divider.addEventListener("keydown", (event) => {
  if (!WIPES[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation(); // to the page these keys move the time
  setWipe(WIPES[event.key]());
});

obeyKeys({
  " ": toggle,
  ",": () => goTo(at - 1),
  ".": () => goTo(at + 1),
  ArrowLeft: (event) => goToTime(clock() - (event.shiftKey ? 0.1 : 1)),
  ArrowRight: (event) => goToTime(clock() + (event.shiftKey ? 0.1 : 1)),
  Home: () => goTo(0),
  End: () => goTo(LAST),
  1: () => setView("side"),
  2: () => setView("wipe"),
  3: () => setView("heat"),
});

playButton.addEventListener("click", toggle);
document.getElementById("step-back").addEventListener("click", () => goTo(at - 1));
document.getElementById("step-forward").addEventListener("click", () => goTo(at + 1));
slider.addEventListener("input", () => goTo(Number(slider.value)));
for (const one of views) one.addEventListener("change", () => setView(one.value));
for (const button of document.querySelectorAll("button.seek")) {
  button.addEventListener("click", () => {
    goToTime(Number(button.dataset.time));
    document.getElementById("see").scrollIntoView();
  });
}
document.getElementById("opacity").addEventListener("input", (event) => {
  opacity = event.target.value / 100;
  document.getElementById("opacity-now").textContent = `${event.target.value}%`;
  repaint();
});

function drawRamp() {
  const context = document.getElementById("ramp").getContext("2d");
  for (let level = 0; level < 256; level += 1) {
    context.fillStyle = `rgb(${COLOURS.slice(3 * level, 3 * level + 3).join()})`;
    context.fillRect(level, 0, 1, 16);
  }
}

watchers.push((time) => {
  const text = `clip ${time.toFixed(3)} s, recording ${SOURCES[at].toFixed(3)} s`;
  slider.value = at;
  slider.setAttribute("aria-valuetext", text);
  document.getElementById("now").textContent = `${at + 1} of ${LAST + 1}: ${text}`;
});
onPaper.push(redrawPlots);
drawRamp();
setView("side");
setWipe(0.5);
show(0);
