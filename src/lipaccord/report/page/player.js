// The video: one clock for everything, moved to whole pictures.

const video = document.getElementById("player");
const watchers = []; // called with the time of the picture that is shown
let now = FIRST_S;
let pending = null; // where the last seek goes, until its picture is there

// Aimed well inside a picture's interval: containers round times, some to milliseconds.
const AIM = 0.75;

function clock() {
  return now;
}

function show(time) {
  now = FRAMES[nearest(FRAMES, time)];
  for (const watch of watchers) watch(now);
}

function seekFrame(index) {
  const frame = clamped(index, 0, FRAMES.length - 1);
  const interval = frame + 1 < FRAMES.length ? FRAMES[frame + 1] - FRAMES[frame] : END_S - FRAMES[frame];
  pending = FRAMES[frame];
  if (video.error || !video.readyState) show(FRAMES[frame]);
  else video.currentTime = FRAMES[frame] + AIM * interval - DATA.offset;
}

function seek(time) {
  seekFrame(frameAt(clamped(time, FIRST_S, END_S)));
}

function step(count) {
  video.pause();
  seekFrame(nearest(FRAMES, pending === null ? now : pending) + count);
}

function toggle() {
  if (video.paused) video.play().catch(() => {}); // a refusal shows in the button, which follows the video
  else video.pause();
}

function presented(_, frame) {
  if (!video.seeking) pending = null;
  show(frame.mediaTime + DATA.offset);
  watchPicture();
}

function watchPicture() {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(presented);
}

function byCurrentTime() {
  if (!video.seeking) pending = null;
  show(FRAMES[frameAt(video.currentTime + DATA.offset)]);
}

function explain() {
  const trouble = document.getElementById("trouble");
  trouble.hidden = false;
  trouble.textContent =
    "This browser cannot play the video: it is not where the report looks for it, or of a kind that browsers do not " +
    "play. Put the clip beside the report, or make the report again with --embed-video. Findings, plots and pictures " +
    "below do not need it.";
}

video.addEventListener("error", explain);
video.addEventListener("loadeddata", byCurrentTime);
video.addEventListener("seeked", byCurrentTime);
if (!video.requestVideoFrameCallback) video.addEventListener("timeupdate", byCurrentTime);
if (video.error) explain();
watchPicture();

window.lipaccordReport = { clock, frameTimes: FRAMES };
