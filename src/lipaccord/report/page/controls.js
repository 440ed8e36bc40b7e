// Buttons, keys, the stretch that is looped, and what printing needs.

const playButton = document.getElementById("play");
const loopButton = document.getElementById("loop");
const speed = document.getElementById("speed");
let stretch = null; // what Loop repeats
let looping = false;

function setStretch(start, end) {
  stretch = [clamped(start, FIRST_S, END_S), clamped(end, FIRST_S, END_S)];
  document.getElementById("stretch").textContent = `${stretch[0].toFixed(2)} to ${stretch[1].toFixed(2)} s`;
}

function choose(start, end) {
  setStretch(start, end);
  seek(start);
}

function toggleLoop() {
  looping = !looping;
  if (looping && !stretch) setStretch(clock() - DATA.around, clock() + DATA.around);
  loopButton.setAttribute("aria-pressed", String(looping));
}

function turn(box) {
  box.checked = !box.checked;
  redrawPicture();
}

function turnOutlines() {
  const on = !(shown.observed.checked || shown.predicted.checked);
  shown.observed.checked = on;
  shown.predicted.checked = on;
  redrawPicture();
}

const KEYS = {
  " ": toggle,
  ",": () => step(-1),
  ".": () => step(1),
  ArrowLeft: (event) => seek(clock() - (event.shiftKey ? 0.1 : 1)),
  ArrowRight: (event) => seek(clock() + (event.shiftKey ? 0.1 : 1)),
  Home: () => seekFrame(0),
  End: () => seekFrame(FRAMES.length - 1),
  l: toggleLoop,
  o: turnOutlines,
  r: () => turn(shown.regions),
};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const field = event.target.closest("select, [role=region]");
  const own = event.key === " " && event.target.closest("button, a, input, summary"); // they are worked by it
  if (!action || field || own || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action(event);
});

playButton.addEventListener("click", toggle);
document.getElementById("step-back").addEventListener("click", () => step(-1));
document.getElementById("step-forward").addEventListener("click", () => step(1));
document.getElementById("zoom-in").addEventListener("click", () => zoomBy(0.5));
document.getElementById("zoom-out").addEventListener("click", () => zoomBy(2));
document.getElementById("zoom-all").addEventListener("click", () => zoomTo(FIRST_S, END_S));
loopButton.addEventListener("click", toggleLoop);
speed.addEventListener("change", () => (video.playbackRate = Number(speed.value)));
for (const event of ["play", "pause", "ended"]) {
  video.addEventListener(event, () => (playButton.textContent = video.paused ? "Play" : "Pause"));
}
video.addEventListener("ended", () => looping && (seek(stretch[0]), video.play()));

for (const button of document.querySelectorAll("button.seek")) {
  button.addEventListener("click", () => {
    const time = Number(button.dataset.time);
    if (button.dataset.end) setStretch(time, Number(button.dataset.end));
    else setStretch(time - DATA.around, time + DATA.around);
    seek(time);
    document.getElementById("see").scrollIntoView();
  });
}

watchers.push((time) => {
  if (looping && !video.paused && !video.seeking && time >= stretch[1]) seek(stretch[0]);
  const text = `${time.toFixed(3)} s`;
  document.getElementById("now").textContent = text;
  timeline.setAttribute("aria-valuenow", time.toFixed(3));
  timeline.setAttribute("aria-valuetext", `${time.toFixed(2)} s`);
});
timeline.setAttribute("aria-valuemin", FIRST_S.toFixed(3));
timeline.setAttribute("aria-valuemax", END_S.toFixed(3));
show(FIRST_S);

async function analysisText() {
  const element = document.getElementById("lipaccord-analysis");
  if (element.dataset.encoding !== "gzip+base64") return element.textContent;
  const packed = new Blob([unpacked(element.textContent, Uint8Array)]);
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

document.getElementById("save").addEventListener("click", async () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await analysisText()], { type: "application/json" }));
  link.download = "analysis.json";
  link.click();
  URL.revokeObjectURL(link.href);
});

// Paper shows everything, and is narrower than a window.
const PAPER = 660;
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  if (more) makeStrips(more);
  redrawPlots(PAPER);
});
window.addEventListener("afterprint", () => redrawPlots());
