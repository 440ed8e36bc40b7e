// What every page does: keys, saving what it holds for machines, and printing.

// Calls the action that a key has in `actions`, but where the element in focus is worked by that key itself.
function obeyKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const moving = /^(Arrow|Home|End)/.test(event.key) && "input[type=range], input[type=radio]";
    const pressing = event.key === " " && "button, a, input:not([type=range]), summary";
    const own = event.target.closest(["select", "[role=region]", moving, pressing].filter(Boolean).join());
    if (!action || own || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  });
}

async function heldText() {
  const element = document.getElementById("lipaccord-analysis");
  if (element.dataset.encoding !== "gzip+base64") return element.textContent;
  const packed = new Blob([unpacked(element.textContent, Uint8Array)]);
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const save = document.getElementById("save");
save.addEventListener("click", async () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await heldText()], { type: "application/json" }));
  link.download = save.dataset.name;
  link.click();
  URL.revokeObjectURL(link.href);
});

// Paper shows everything, and is narrower than a window.
const PAPER = 660;
const onPaper = []; // called with the width of the plots on paper, and with nothing once it is printed
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const redraw of onPaper) redraw(PAPER);
});
window.addEventListener("afterprint", () => onPaper.forEach((redraw) => redraw()));
