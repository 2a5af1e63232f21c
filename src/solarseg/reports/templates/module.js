{% include "table.js" %}
(() => {
  "use strict";
  const map = document.getElementById("defect-map");
  const cells = [...map.querySelectorAll(".cell")];
  const readout = document.getElementById("readout");
  const dialog = document.getElementById("enlarged");

  for (const box of document.querySelectorAll("input[data-toggles]")) {
    const shown = document.getElementById(box.dataset.toggles);
    const apply = () => shown.classList.toggle("off", !box.checked);
    box.addEventListener("change", apply);
    apply();
  }

  const show = (cell) => { readout.textContent = cell.getAttribute("aria-label"); };
  const at = (row, column) => cells.find((cell) => Number(cell.dataset.row) === row && Number(cell.dataset.column) === column);

  // One cell at a time can be reached with Tab; arrow keys move between cells.
  const select = (cell) => {
    for (const other of cells) other.tabIndex = other === cell ? 0 : -1;
    show(cell);
  };

  const enlarge = (name, from) => {
    const box = document.querySelector(`#map-${name} rect`);
    const [x, y, width, height] = ["x", "y", "width", "height"].map((key) => Number(box.getAttribute(key)));
    const margin = 0.06 * Math.max(width, height);
    document.getElementById("enlarged-picture").setAttribute("viewBox", `${x - margin} ${y - margin} ${width + 2 * margin} ${height + 2 * margin}`);
    document.getElementById("enlarged-name").textContent = `Cell ${name}`;
    const labels = [...document.querySelectorAll("#cell-table thead th")].slice(1);
    const numbers = document.getElementById("enlarged-numbers");
    numbers.replaceChildren(...[...document.querySelectorAll(`#row-${name} td`)].map((entry, place) => {
      if (!entry.textContent) return "";
      const pair = document.createElement("div");
      const term = document.createElement("dt");
      const value = document.createElement("dd");
      term.textContent = labels[place].textContent;
      value.textContent = entry.textContent;
      pair.append(term, value);
      return pair;
    }));
    dialog.addEventListener("close", () => from.focus(), { once: true });
    dialog.showModal();
  };

  for (const cell of cells) {
    cell.addEventListener("pointerenter", () => show(cell));
    cell.addEventListener("focus", () => select(cell));
    cell.addEventListener("click", () => { cell.focus(); enlarge(cell.dataset.cell, cell); });
  }
  map.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = Number(cell.dataset.row);
    const column = Number(cell.dataset.column);
    const next = {
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
    }[event.key];
    if (event.key === "Enter" || event.key === " ") enlarge(cell.dataset.cell, cell);
    else if (event.key === "Home") cells[0].focus();
    else if (event.key === "End") cells[cells.length - 1].focus();
    else if (next) at(...next)?.focus();
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("button[data-cell]")) {
    button.addEventListener("click", () => enlarge(button.dataset.cell, button));
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
})();
