"use strict";
// Each group of controls has states; a state names the pieces that its cells show.
const cells = [...document.querySelectorAll("section")];
const controls = [...document.querySelectorAll("[data-name]")];

function valueOf(name) {
  const own = controls.filter((each) => each.dataset.name === name);
  const first = own[0];
  if (!first) return "";
  if (first.type === "radio") return (own.find((each) => each.checked) || {}).value || "";
  if (first.type === "range") return JSON.parse(first.dataset.values)[first.value];
  if (first.tagName === "BUTTON") return first.getAttribute("aria-pressed") === "true" ? "True" : "";
  return first.value;
}

function show(group) {
  const state = group.states[group.names.map(valueOf).join("|")] || {};
  const touched = new Set(Object.values(group.states).flatMap((each) => Object.keys(each)));
  for (const place of touched) {
    const cell = document.getElementById("c" + place);
    if (cell) cell.innerHTML = DATA.pieces[place in state ? state[place] : DATA.first[place]];
  }
}

for (const control of controls) {
  const event = control.tagName === "BUTTON" ? "click" : "input";
  if (event === "click") control.setAttribute("aria-pressed", "false");
  control.addEventListener(event, () => {
    if (event === "click") {
      control.setAttribute("aria-pressed", String(control.getAttribute("aria-pressed") !== "true"));
    }
    const told = control.parentElement.querySelector("output");
    if (told) told.textContent = valueOf(control.dataset.name);
    DATA.groups.filter((each) => each.names.includes(control.dataset.name)).forEach(show);
  });
}

// What answers a question waits for a choice.
function reveal() {
  for (const cell of document.querySelectorAll("[data-after]")) {
    cell.hidden = valueOf(cell.dataset.after) === "";
  }
}
document.addEventListener("input", reveal);
reveal();
