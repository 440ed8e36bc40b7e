// Outlines drawn over the picture, and the mouth enlarged.

const canvas = document.getElementById("overlay");
const closeup = document.getElementById("closeup");
const shown = {
  observed: document.getElementById("show-observed"),
  predicted: document.getElementById("show-predicted"),
  regions: document.getElementById("show-regions"),
};
const OUTLINES = DATA.overlay && {
  ...DATA.overlay,
  times: unpacked(DATA.overlay.times, Float64Array),
  points: unpacked(DATA.overlay.points, Int16Array),
  predicted: unpacked(DATA.overlay.predicted, Int16Array),
};
const LIPS = ["outer_lips", "inner_lips"];
const CLOSE_MARGIN = 0.45; // of the width of the lips, on either side

// Pictures lie a millisecond apart at least; outlines belong to exactly one.
function outlineRow(time) {
  if (!OUTLINES) return -1;
  const row = nearest(OUTLINES.times, time);
  return Math.abs(OUTLINES.times[row] - time) < 0.0005 ? row : -1;
}

function ring(points, count, row, places) {
  const start = 2 * count * row;
  if (points[start + 2 * places[0]] === UNSEEN) return null;
  return places.map((place) => [
    points[start + 2 * place] / OUTLINES.scale,
    points[start + 2 * place + 1] / OUTLINES.scale,
  ]);
}

function observedRing(row, name) {
  const places = OUTLINES.rings[name];
  return places ? ring(OUTLINES.points, OUTLINES.count, row, places) : null;
}

function predictedRing(row, name) {
  return ring(OUTLINES.predicted, OUTLINES.predictedCount, row, OUTLINES.predictedRings[name]);
}

function trace(context, points, toCanvas) {
  context.beginPath();
  points.forEach((point, index) => {
    const [x, y] = toCanvas(point);
    if (index) context.lineTo(x, y);
    else context.moveTo(x, y);
  });
  context.closePath();
  context.stroke();
}

// A dark rim keeps every line visible on any picture.
function stroke(context, rings, toCanvas, shade, dash, width) {
  for (const [style, wide] of [["rgba(0, 0, 0, 0.65)", width + 2], [shade, width]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.setLineDash(style === shade ? dash : []);
    for (const points of rings) if (points) trace(context, points, toCanvas);
  }
}

// On pictures the light shades are used in both themes.
const ON_PICTURE = { observed: "#56b4e9", predicted: "#ffb000", regions: "#e0b3f0" };

function drawOutlines(context, row, toCanvas, width) {
  if (shown.regions.checked) {
    const names = Object.keys(OUTLINES.rings).filter((name) => !LIPS.includes(name));
    stroke(context, names.map((name) => observedRing(row, name)), toCanvas, ON_PICTURE.regions, [4, 3], width);
  }
  if (shown.predicted.checked) {
    stroke(context, LIPS.map((name) => predictedRing(row, name)), toCanvas, ON_PICTURE.predicted, [5, 3], width);
  }
  if (shown.observed.checked) {
    stroke(context, LIPS.map((name) => observedRing(row, name)), toCanvas, ON_PICTURE.observed, [], width);
  }
}

function fitted(target) {
  const box = target.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  target.width = Math.max(1, Math.round(box.width * ratio));
  target.height = Math.max(1, Math.round(box.height * ratio));
  const context = target.getContext("2d");
  context.scale(ratio, ratio);
  return [context, box.width, box.height];
}

function drawOverlay(row) {
  const [context, width, height] = fitted(canvas);
  if (row < 0) return;
  const scale = Math.min(width / DATA.width, height / DATA.height);
  const left = (width - DATA.width * scale) / 2;
  const top = (height - DATA.height * scale) / 2;
  drawOutlines(context, row, ([x, y]) => [left + (x + 0.5) * scale, top + (y + 0.5) * scale], 1.5);
}

function drawCloseup(row) {
  const [context, width, height] = fitted(closeup);
  const lips = row < 0 ? null : observedRing(row, "outer_lips");
  if (!lips || video.error || video.readyState < 2) return;
  const xs = lips.map((point) => point[0]);
  const ys = lips.map((point) => point[1]);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const wide = Math.max(8, (high - low) * (1 + 2 * CLOSE_MARGIN));
  const tall = (wide * height) / width;
  const left = (low + high - wide) / 2;
  const top = (Math.min(...ys) + Math.max(...ys) - tall) / 2;
  const scale = width / wide;
  const file = video.videoWidth / DATA.width; // a viewing copy is smaller
  context.imageSmoothingEnabled = false;
  context.drawImage(
    video, (left + 0.5) * file, (top + 0.5) * file, wide * file, tall * file, 0, 0, width, height,
  );
  drawOutlines(context, row, ([x, y]) => [(x - left) * scale, (y - top) * scale], 1.5);
}

function redrawPicture() {
  const row = outlineRow(clock());
  drawOverlay(row);
  drawCloseup(row);
}

watchers.push(redrawPicture);
for (const box of Object.values(shown)) box.addEventListener("change", redrawPicture);
new ResizeObserver(redrawPicture).observe(video);
