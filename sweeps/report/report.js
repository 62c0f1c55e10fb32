// What the reader can do with the page: choose a theme, sort a table, look at one language, open a cell. Without it the page reads as well.
"use strict";

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

// The theme. A browser may keep nothing for a page that is a file: then it is chosen anew each time.
const THEME = "polystilts-theme";

function remembered() {
  try {
    return localStorage.getItem(THEME) || "";
  } catch {
    return "";
  }
}

function remember(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // It holds until the page is closed.
  }
}

function setTheme(theme) {
  if (theme) {
    document.documentElement.dataset.theme = theme;
  } else {
    delete document.documentElement.dataset.theme;
  }
}

// Sorting. Rows that sum up others or are what others are compared with stay where they are.
function valueOf(row, column) {
  const cell = row.cells[column];
  const text = (cell.dataset.value || cell.textContent).trim();
  const number = parseFloat(text.replace("−", "-").replaceAll(",", ""));
  return { text, number };
}

function compare(a, b, sign) {
  const isNumber = [!Number.isNaN(a.number), !Number.isNaN(b.number)];
  if (isNumber[0] && isNumber[1]) {
    return sign * (a.number - b.number);
  }
  if (isNumber[0] || isNumber[1]) {
    return isNumber[0] ? -1 : 1; // what is missing comes last in either direction
  }
  return sign * a.text.localeCompare(b.text);
}

function sortBy(header) {
  const body = header.closest("table").tBodies[0];
  const first = header.cellIndex === 0 || header.classList.contains("text") ? "ascending" : "descending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? second : first; // names from a to z, numbers from the largest
  const sign = order === "ascending" ? 1 : -1;
  for (const other of header.parentElement.cells) {
    other.removeAttribute("aria-sort");
  }
  header.setAttribute("aria-sort", order);
  const rows = [...body.rows];
  const sorted = rows.filter((row) => !row.dataset.stays);
  const column = header.cellIndex;
  sorted.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), sign));
  const top = rows.filter((row) => row.dataset.stays === "top");
  const bottom = rows.filter((row) => row.dataset.stays === "bottom");
  body.append(...top, ...sorted, ...bottom);
}

function makeSortable(header) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  header.append(button);
  button.addEventListener("click", () => sortBy(header));
}

// One language: the matrix shows its numbers, and the tables its rows.
function fill(link, shown) {
  const [number, interval, restsOn] = link.querySelectorAll(".number, .interval, .rests-on");
  number.textContent = shown.number;
  interval.textContent = shown.interval;
  restsOn.textContent = shown.rests_on;
  link.setAttribute("aria-label", shown.label);
  link.title = shown.title;
  link.parentElement.className = shown.kind;
  link.parentElement.style.setProperty("--share", shown.share);
}

function asWritten(link) {
  const [number, interval, rests_on] = [...link.querySelectorAll(".number, .interval, .rests-on")].map((part) => part.textContent);
  const { className: kind, style } = link.parentElement;
  return { number, interval, rests_on, kind, label: link.getAttribute("aria-label"), title: link.title, share: style.getPropertyValue("--share") };
}

function showLanguage(language, byLanguage, whole) {
  const absent = { number: "–", interval: "", rests_on: "", kind: "gone", share: "0" };
  for (const [link, written] of whole) {
    const label = `${link.dataset.pair}: not scored in ${language}`;
    const found = language ? byLanguage[language][link.dataset.cell] || { ...absent, label } : written;
    fill(link, { title: found.label, ...found });
  }
  for (const table of document.querySelectorAll("#languages > details")) {
    const rows = [...table.querySelectorAll("tr[data-language]")];
    for (const row of table.querySelectorAll("tbody tr")) {
      row.hidden = language !== "" && row.dataset.language !== language;
    }
    table.hidden = language !== "" && rows.every((row) => row.hidden);
    for (const groups of table.querySelectorAll("details")) {
      groups.hidden = language !== "";
    }
  }
  document.getElementById("shown").textContent = language ? `Shown: ${language} alone. Stars and marks are of the whole cell.` : "";
}

// A cell's runs, and of each run the spec and the manifest.
function part(title, content) {
  const heading = document.createElement("h4");
  heading.textContent = title;
  const text = document.createElement("pre");
  text.textContent = JSON.stringify(content, null, 1);
  text.tabIndex = 0; // so that the keyboard scrolls it
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", title);
  return [heading, text];
}

// Gzip in base 64: thousands of manifests are mostly alike.
async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

async function fillRun(run, manifests) {
  if (!run.open || run.classList.contains("filled")) {
    return;
  }
  run.classList.add("filled");
  const { spec, ...rest } = (await manifests)[run.dataset.key];
  run.append(...part("Spec", spec), ...part("Manifest, but for its spec", rest));
}

function openCell(event) {
  event.preventDefault();
  document.getElementById(`runs-${event.currentTarget.dataset.cell}`).showModal();
}

function start() {
  const theme = document.getElementById("theme");
  theme.value = remembered();
  theme.addEventListener("change", () => {
    setTheme(theme.value);
    remember(theme.value);
  });

  document.querySelectorAll("thead th").forEach(makeSortable);

  const byLanguage = read("in-one-language");
  const whole = new Map([...document.querySelectorAll(".grid a.measured")].map((link) => [link, asWritten(link)]));
  const language = document.getElementById("language");
  language.addEventListener("change", () => showLanguage(language.value, byLanguage, whole));

  for (const link of document.querySelectorAll("a[data-cell]")) {
    link.setAttribute("aria-haspopup", "dialog");
    link.addEventListener("click", openCell);
  }
  let manifests = null; // read when they are first asked for: there may be thousands
  for (const run of document.querySelectorAll(".run")) {
    run.addEventListener("toggle", () => fillRun(run, (manifests ||= unpack("manifests"))));
  }
  document.getElementById("controls").hidden = false;
}

setTheme(remembered());
start();
