// The moments of clip and recording: one of them is shown, in one of three views.

const SOURCES = unpacked(DATA.sources, Float64Array);
const COLOURS = unpacked(DATA.heat.colours, Uint8Array); // red, green, blue for each of 256 levels
const LAST = FRAMES.length - 1;
const HELD = 24; // moments whose pictures are kept
const watchers = []; // called with the time of the moment that is gone to
const left = document.getElementById("left");
const right = document.getElementById("right");
const held = new Map();
let at = 0; // the moment that is gone to
let drawn = null; // the pictures that are shown, once they are there
let mode = "side";
let wipe = 0.5;
let opacity = 1;

function clock() {
  return FRAMES[at];
}

async function decoded(data) {
  const image = new Image();
  image.src = `data:image/jpeg;base64,${data}`;
  await image.decode();
  return image;
}

function picturesOf(index) {
  if (!held.has(index)) {
    if (held.size >= HELD) held.delete(held.keys().next().value);
    const [clip, source, heat] = DATA.pictures[index].map(decoded);
    held.set(index, Promise.all([clip, source, heat]));
  }
  return held.get(index);
}

function sized(canvas, image) {
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

function pixels(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// As `heat_picture` of the program does, and mixed with the clip itself by `opacity`.
function drawHeat(context, clip, heat) {
  const { width, height } = clip;
  const image = pixels(clip, width, height);
  const shares = pixels(heat, width, height).data;
  const { data } = image;
  for (let place = 0; place < data.length; place += 4) {
    const level = shares[place];
    const weight = Math.min(1, (DATA.heat.weight * level) / 255);
    const grey = DATA.heat.grey * (0.299 * data[place] + 0.587 * data[place + 1] + 0.114 * data[place + 2]);
    for (let part = 0; part < 3; part += 1) {
      const mixed = grey * (1 - weight) + COLOURS[3 * level + part] * weight;
      data[place + part] += opacity * (mixed - data[place + part]);
    }
  }
  context.putImageData(image, 0, 0);
}

function paint([clip, source, heat]) {
  const context = sized(left, clip);
  if (mode === "heat") return drawHeat(context, clip, heat);
  context.drawImage(clip, 0, 0);
  if (mode === "side") return sized(right, source).drawImage(source, 0, 0);
  const edge = Math.round(wipe * clip.width);
  const rest = clip.width - edge;
  if (rest) context.drawImage(source, edge, 0, rest, clip.height, edge, 0, rest, clip.height);
}

function caption() {
  const ours = `clip at ${FRAMES[at].toFixed(3)} s`;
  const theirs = `recording at ${SOURCES[at].toFixed(3)} s`;
  const [first, second] = {
    side: [`The ${ours}`, `The ${theirs}`],
    wipe: [`Left the ${ours}, right the ${theirs}`, ""],
    heat: [`The ${ours}, coloured where the ${theirs} differs`, ""],
  }[mode];
  for (const [canvas, id, text] of [[left, "left-caption", first], [right, "right-caption", second]]) {
    document.getElementById(id).textContent = text;
    canvas.setAttribute("aria-label", text);
  }
}

function repaint() {
  caption();
  if (drawn) paint(drawn);
}

// Resolves once the pictures are on the screen, or others are wanted.
async function show(index) {
  at = clamped(index, 0, LAST);
  const wanted = at;
  for (const watch of watchers) watch(clock());
  const pictures = await picturesOf(wanted);
  if (wanted !== at) return;
  drawn = pictures;
  left.dataset.moment = wanted;
  repaint();
  if (wanted < LAST) picturesOf(wanted + 1);
}

function seek(time) {
  return show(nearest(FRAMES, clamped(time, FIRST_S, END_S)));
}

window.lipaccordReport = { clock, frameTimes: FRAMES };
