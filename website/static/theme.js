// Explorers, verdicts and pictures follow the page's theme: "auto" is resolved to light or dark on the root element.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function resolveTheme() {
  const chosen = document.body.dataset.theme;
  document.documentElement.dataset.theme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
}

resolveTheme();
dark.addEventListener("change", resolveTheme);
new MutationObserver(resolveTheme).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });

// What scrolls sideways can be reached with the keyboard: code, formulas and tables that are wider than the page.

const WIDE = "pre, .math-line, .table-wrapper, .cell_output, .cell_output .output, [style*='overflow-x']";

function makeWideFocusable() {
  for (const box of document.querySelectorAll(WIDE)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

makeWideFocusable();
new ResizeObserver(makeWideFocusable).observe(document.body);
