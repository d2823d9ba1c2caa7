"use strict";
for (const box of document.querySelectorAll("[data-list]")) {
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const search = box.querySelector("input[type=search]");
  const boxes = Array.from(box.querySelectorAll("input[name=status]"));
  const output = box.querySelector("output");

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((one) => one.checked).map((one) => one.value));
    let shown = 0;
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (boxes.length === 0 || wanted.has(row.dataset.status));
      row.hidden = !fits;
      const detail = row.dataset.detail && document.getElementById(row.dataset.detail);
      if (detail) detail.hidden = !fits;
      shown += fits;
    }
    output.textContent = `${shown} of ${rows.length} shown`;
  };

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
  };
  const compare = (first, second, column, numeric) => {
    const a = key(first, column), b = key(second, column);
    if (!numeric) return a.localeCompare(b, "en", { numeric: true });
    return Number(a) - Number(b);
  };
  const sort = (head) => {
    const column = head.cellIndex, numeric = head.hasAttribute("data-numeric");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const empty = (row) => key(row, column) === "";
    const sorted = Array.from(rows).sort((a, b) =>
      empty(a) - empty(b) || (down ? -1 : 1) * (empty(a) ? 0 : compare(a, b, column, numeric)));
    body.append(...sorted);
  };

  for (const head of table.tHead.rows[0].cells) {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sort(head));
  }
  search.addEventListener("input", show);
  for (const one of boxes) one.addEventListener("change", show);
  box.querySelector(".controls").hidden = false;
  show();
}

const openTarget = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", openTarget);
openTarget();

// Printing shows what is open.
for (const bar of document.querySelectorAll(".actions")) {
  bar.hidden = false;
  for (const button of bar.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      for (const one of document.querySelectorAll("details.case")) one.open = button.dataset.open === "open";
    });
  }
}
