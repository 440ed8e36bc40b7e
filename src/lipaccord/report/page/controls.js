// Buttons, keys, and the stretch that is looped.

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

obeyKeys({
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
});

playButton.addEventListener("click", toggle);
document.getElementById("step-back").addEventListener("click", () => step(-1));
document.getElementById("step-forward").addEventListener("click", () => step(1));
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

onPaper.push((width) => {
  if (more) makeStrips(more);
  redrawPlots(width);
});
