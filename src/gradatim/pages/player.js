// Pictures that move without asking Python: data-frames holds an attribute's values, one
// for each frame; data-only the frames at which something is shown.
(() => {
  "use strict";
  const states = new WeakMap();

  function stateOf(player) {
    if (!states.has(player)) states.set(player, { at: Number(player.dataset.at), clock: 0 });
    return states.get(player);
  }

  function last(player) {
    return Number(player.dataset.player) - 1;
  }

  function show(player, at) {
    const state = stateOf(player);
    state.at = Math.max(0, Math.min(at, last(player)));
    for (const each of player.querySelectorAll("[data-frames]")) {
      for (const part of each.dataset.frames.split(";")) {
        const [name, values] = part.split(":");
        each.setAttribute(name, values.split(" ")[state.at]);
      }
    }
    // A line from a point to the fitted line: it ends where that one is at its place.
    const line = player.querySelector("[data-line]");
    for (const each of player.querySelectorAll("[data-foot]")) {
      const [first, end] = ["y1", "y2"].map((name) => Number(line.getAttribute(name)));
      each.setAttribute("y2", first + Number(each.dataset.foot) * (end - first));
    }
    for (const each of player.querySelectorAll("[data-only]")) {
      const [first, end] = each.dataset.only.split("-").map(Number);
      each.style.display = first <= state.at && state.at < end ? "" : "none";
    }
    for (const each of player.querySelectorAll("[data-told]")) {
      const text = JSON.parse(each.dataset.told)[state.at];
      if (each.textContent !== text) each.textContent = text;
    }
    const slider = player.querySelector("[data-place]");
    slider.value = state.at;
  }

  function stop(player) {
    const state = stateOf(player);
    clearInterval(state.clock);
    state.clock = 0;
    player.querySelector("[data-go=play]").textContent = "play";
  }

  function play(player) {
    const state = stateOf(player);
    if (state.at >= last(player)) show(player, 0);
    player.querySelector("[data-go=play]").textContent = "pause";
    state.clock = setInterval(() => {
      if (!player.isConnected || state.at >= last(player)) stop(player);
      else show(player, state.at + 1);
    }, 1000 / Number(player.dataset.rate));
  }

  function playerOf(event) {
    const origin = event.composedPath()[0];
    return origin.closest ? [origin.closest("[data-player]"), origin] : [null, origin];
  }

  document.addEventListener("click", (event) => {
    const [player, origin] = playerOf(event);
    const button = player && origin.closest("[data-go]");
    if (!button) return;
    const isPlaying = stateOf(player).clock !== 0;
    stop(player);
    if (button.dataset.go === "play") {
      if (!isPlaying) play(player);
    } else if (button.dataset.go === "start") show(player, 0);
    else show(player, stateOf(player).at + Number(button.dataset.go));
  });

  document.addEventListener("input", (event) => {
    const [player, origin] = playerOf(event);
    if (!player || !origin.matches("[data-place]")) return;
    stop(player);
    show(player, Number(origin.value));
  });

  // A new picture in the same place goes on at the same frame.
  let isWaiting = false;
  function refresh() {
    isWaiting = false;
    for (const player of document.querySelectorAll("[data-player]")) {
      player.classList.add("moves");
      show(player, stateOf(player).at);
    }
  }
  new MutationObserver(() => {
    if (!isWaiting) requestAnimationFrame(refresh);
    isWaiting = true;
  }).observe(document.documentElement, {
    childList: true,
    subtree: true,
    attributeFilter: ["data-frames", "data-only", "data-told"],
  });
  refresh();
})();
