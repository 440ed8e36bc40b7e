"use strict";
// What the page draws, unpacked. Times are seconds on the clip's own clock.

const DATA = JSON.parse(document.getElementById("lipaccord-data").textContent);
const UNSEEN = -32768;

function unpacked(text, Kind) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return new Kind(bytes.buffer);
}

const FRAMES = unpacked(DATA.frames, Float64Array);
const FIRST_S = FRAMES[0];
const END_S = DATA.end;

// Index of the last entry of rising `times` that is not after `time`; 0 where all are.
function lastUpTo(times, time) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

function nearest(times, time) {
  const at = lastUpTo(times, time);
  return at + 1 < times.length && times[at + 1] - time < time - times[at] ? at + 1 : at;
}

function frameAt(time) {
  return lastUpTo(FRAMES, time + 1e-6);
}

function clamped(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
