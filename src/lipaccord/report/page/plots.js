// The timeline: every series over one axis of time, and the agreement by offset.

const LEFT = 48; // pixels of the axis of values
const CLICK = 5; // pixels that a click may move
const view = { low: FIRST_S, high: END_S };
const STYLES = {
  observed: { stroke: "observed", label: "seen" },
  predicted: { stroke: "predicted", label: "speech asks for", dash: [5, 3] },
  measure: { stroke: "measure", label: "measured" },
  lower: { stroke: "observed", label: "lower face" },
  upper: { stroke: "predicted", label: "upper face", dash: [5, 3] },
  low: { stroke: null }, high: { stroke: null }, floor: { stroke: "measure" }, ceiling: { stroke: "measure" },
};
const BANDS = { high: ["low", "band"], ceiling: ["floor", "speech"] };
const TIMES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].map(Math.log10); // marks where a strip counts in multiples
const plots = [];

function cells(values) {
  return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
}

// One table for all clocks of a strip: uPlot.join leaves room where a line has no value of its own.
function table(strip) {
  const styles = [];
  const parts = strip.clocks.map((clockOf) => {
    const rows = Object.entries(clockOf.lines).map(([style, values]) => {
      styles.push(style);
      return cells(unpacked(values, Float32Array));
    });
    return [Array.from(unpacked(clockOf.times, Float64Array)), ...rows];
  });
  return [styles, parts.length > 1 ? uPlot.join(parts) : parts[0]];
}

function series(style) {
  const line = STYLES[style];
  return {
    label: line.label,
    stroke: () => (line.stroke ? colour(line.stroke) : "transparent"),
    dash: line.dash,
    width: style === "floor" || style === "ceiling" ? 1 : 1.5,
    points: { show: false },
  };
}

function bandsOf(styles) {
  return Object.entries(BANDS)
    .filter(([upper]) => styles.includes(upper))
    .map(([upper, [lower, fill]]) => ({
      series: [styles.indexOf(upper) + 1, styles.indexOf(lower) + 1],
      fill: () => colour(fill === "speech" ? "soft" : fill),
    }));
}

function axes(unitOfX, space = 60) {
  const common = { stroke: () => colour("soft"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false } };
  return [
    { ...common, size: 22, gap: 2, space, values: unitOfX },
    { ...common, size: LEFT, gap: 4, space: 28 },
  ];
}

// The axis of values of a strip that holds log10 of multiples.
function inTimes(axis) {
  const splits = (plot, _, low, high) => TIMES.filter((value) => value >= low && value <= high);
  return { ...axis, splits, values: (_, values) => values.map((value) => `${+(10 ** value).toPrecision(1)}\u00d7`) };
}

function inSeconds(_, splits) {
  return splits.map((value) => `${+value.toFixed(3)} s`);
}

function shade(stretches, fill) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = colour(fill);
    for (const [start, end] of stretches) {
      const left = clamped(plot.valToPos(start, "x", true), bbox.left, bbox.left + bbox.width);
      const right = clamped(plot.valToPos(end, "x", true), bbox.left, bbox.left + bbox.width);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  };
}

function drawLevels(levels) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("soft");
    ctx.setLineDash([4, 4]);
    for (const level of levels) {
      const y = plot.valToPos(level, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  };
}

function movePlayhead(plot) {
  const x = plot.valToPos(clock(), "x");
  plot.playhead.hidden = x < 0 || x > plot.over.clientWidth;
  plot.playhead.style.left = `${x}px`;
}

function makeTimeStrip(element, strip) {
  const [styles, data] = table(strip);
  const levels = strip.levels || [];
  const [across, up] = axes(inSeconds);
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height: 110,
      padding: [6, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "time" }, drag: { x: true, y: false, setScale: false, dist: CLICK }, points: { show: false } },
      scales: {
        x: { time: false, range: () => [view.low, view.high] },
        y: { range: (_, low, high) => spanOf(low, high, [...levels, ...(strip.within || [])]) },
      },
      series: [{}, ...styles.map(series)],
      bands: bandsOf(styles),
      axes: [across, strip.times ? inTimes(up) : up],
      hooks: { drawClear: [shade(DATA.speech, "speech"), shade(DATA.marked, "band")], draw: [drawLevels(levels)], setSelect: [zoomToSelection] },
    },
    data,
    element,
  );
  plot.styles = styles;
  plot.strip = strip;
  plot.readout = document.querySelector(`output[data-strip="${element.dataset.series}"]`);
  plot.playhead = document.createElement("div");
  plot.playhead.className = "playhead";
  plot.over.append(plot.playhead);
  seekOnClick(plot);
  movePlayhead(plot);
  plots.push(plot);
}

function spanOf(low, high, levels) {
  if (low === null) return [0, 1];
  const bottom = Math.min(low, ...levels);
  const top = Math.max(high, ...levels);
  const margin = 0.06 * (top - bottom) || 0.5;
  return [bottom - margin, top + margin];
}

function seekOnClick(plot) {
  let downAt = 0;
  plot.over.addEventListener("mousedown", (event) => (downAt = event.clientX));
  plot.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - downAt) > CLICK) return;
    seek(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x"));
  });
}

function zoomTo(low, high) {
  view.low = Math.max(FIRST_S, low);
  view.high = Math.min(END_S, Math.max(high, view.low + 0.05));
  for (const plot of plots) {
    plot.setScale("x", { min: view.low, max: view.high });
    movePlayhead(plot);
  }
  drawLanes();
  moveCursor();
}

function zoomToSelection(plot) {
  const { left, width } = plot.select;
  if (width <= CLICK) return;
  const [low, high] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  for (const one of plots) one.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoomTo(low, high);
}

function zoomBy(factor) {
  const half = ((view.high - view.low) * factor) / 2;
  const middle = clamped(clock(), view.low, view.high);
  zoomTo(middle - half, middle + half);
}

function drawLanes() {
  const lanes = document.getElementById("lanes");
  lanes.replaceChildren();
  for (const stretch of DATA.stretches) {
    const bar = document.createElement("span");
    const share = (time) => clamped((time - view.low) / (view.high - view.low), 0, 1);
    if (share(stretch.start) === share(stretch.end)) continue;
    bar.style.left = `${100 * share(stretch.start)}%`;
    bar.style.width = `${100 * (share(stretch.end) - share(stretch.start))}%`;
    bar.title = `${stretch.when}: ${stretch.text}`;
    bar.addEventListener("click", (event) => {
      event.stopPropagation();
      choose(stretch.start, stretch.end);
    });
    lanes.append(bar);
  }
}

// Values at the picture that is shown; the nearest value of a line within a tenth of a second.
function readOut(plot) {
  const at = nearest(plot.data[0], clock());
  const parts = [];
  const said = (value) => (plot.strip.times ? `${(10 ** value).toFixed(2)} times` : value.toFixed(3));
  plot.styles.forEach((style, row) => {
    if (!STYLES[style].label) return;
    for (let away = 0; away < 12; away += 1) {
      const value = plot.data[row + 1][at + away] ?? plot.data[row + 1][at - away];
      if (value === null || value === undefined) continue;
      parts.push(`${STYLES[style].label} ${said(value)}`);
      break;
    }
  });
  plot.readout.textContent = parts.join(", ");
}

function drawLag(element) {
  const lag = DATA.lag;
  const offsets = Array.from(unpacked(lag.offsets, Float64Array));
  const fillBox = (plot, left, right, bottom, top, fill) => {
    const { ctx } = plot;
    const [x0, x1] = [plot.valToPos(left, "x", true), plot.valToPos(right, "x", true)];
    const [y0, y1] = [plot.valToPos(top, "y", true), plot.valToPos(bottom, "y", true)];
    ctx.fillStyle = colour(fill);
    ctx.fillRect(x0, y0, Math.max(1, x1 - x0), y1 - y0);
  };
  const bands = (plot) => {
    const { x, y } = plot.scales;
    fillBox(plot, x.min, x.max, lag.null[0], lag.null[1], "null");
    fillBox(plot, lag.interval[0], lag.interval[1], y.min, y.max, "band");
    fillBox(plot, 0, 0, y.min, y.max, "soft");
  };
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height: 240,
      padding: [8, 36, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => spanOf(low, high, lag.null) } },
      series: [{}, series("measure")],
      axes: axes((_, splits) => splits.map((value) => `${value > 0 ? "+" : ""}${value} ms`), 90),
      hooks: { drawClear: [bands] },
    },
    [offsets, cells(unpacked(lag.values, Float32Array))],
    element,
  );
  return plot;
}

function makeStrips(root) {
  for (const element of root.querySelectorAll(".plot[data-series]")) {
    if (!element.firstChild) makeTimeStrip(element, DATA.strips[Number(element.dataset.series)]);
  }
}

const timeline = document.getElementById("timeline");
const strips = document.getElementById("strips");
const more = document.getElementById("more");
makeStrips(strips);
if (more) more.addEventListener("toggle", () => more.open && makeStrips(more));
const lagElement = document.getElementById("lag");
const lagPlot = lagElement && drawLag(lagElement);
drawLanes();

// Plots are as wide as their place, or as `width` says.
function redrawPlots(width) {
  for (const plot of plots) {
    plot.setSize({ width: width ?? plot.root.parentElement.clientWidth, height: plot.height });
    movePlayhead(plot);
  }
  if (lagPlot) lagPlot.setSize({ width: width ?? lagElement.clientWidth, height: lagPlot.height });
}

function moveCursor() {
  const share = (clock() - view.low) / (view.high - view.low);
  const cursor = document.getElementById("cursor");
  cursor.hidden = share < 0 || share > 1;
  cursor.style.left = `${100 * share}%`;
}

timeline.addEventListener("click", (event) => {
  const box = timeline.getBoundingClientRect();
  seek(view.low + ((event.clientX - box.left) / box.width) * (view.high - view.low));
});
for (const [id, zoom] of [["in", () => zoomBy(0.5)], ["out", () => zoomBy(2)], ["all", () => zoomTo(FIRST_S, END_S)]]) {
  document.getElementById(`zoom-${id}`).addEventListener("click", zoom);
}
new ResizeObserver(() => redrawPlots()).observe(strips);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redrawPlots());
watchers.push(() => {
  moveCursor();
  for (const plot of plots) {
    movePlayhead(plot);
    readOut(plot);
  }
});
