// Draws every [data-chart] from the JSON that the server put beside it, in the colours of the current theme.
// Figures come from grading/analytics/charts.py with the light Okabe-Ito colours; each is swapped for the CSS variable of
// the same series, so a theme change is only a redraw.
const SERIES = {
  "#0072b2": "--series-1", "#d55e00": "--series-2", "#009e73": "--series-3",
  "#cc79a7": "--series-4", "#e69f00": "--series-5", "#56b4e9": "--series-6",
  "#373c44": "--ink", "#5d6472": "--ink-soft", "#e3e6ec": "--line", "#ffffff": "--surface",
};
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed(value) {
  if (typeof value === "string") {
    const name = SERIES[value.toLowerCase()];
    return name ? token(name) : value;
  }
  if (Array.isArray(value)) return value.map(themed);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, themed(part)]));
  return value;
}

function draw(element) {
  const source = document.getElementById(element.dataset.chart);
  if (!source || !window.Plotly) return;
  const figure = themed(JSON.parse(source.textContent));
  const layout = {
    ...figure.layout,
    autosize: true,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: token("--font"), size: 12, color: token("--ink") },
    dragmode: false,
  };
  Plotly.react(element, figure.data, layout, CONFIG);
}

const drawAll = (root = document) => root.querySelectorAll("[data-chart]").forEach(draw);

drawAll();
document.addEventListener("themechange", () => drawAll());
document.addEventListener("htmx:afterSettle", () => drawAll());
// A chart inside closed <details> has no width until it is opened.
document.addEventListener("toggle", (event) => event.target.open && drawAll(event.target), true);
