// All texts of a page whose contrast with what is behind them is below 4.5 (WCAG 2.1, 1.4.3).
() => {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const e of document.querySelectorAll("h1, h2, h3, p, th, td, small, a, span, dt, dd, label, figcaption, svg text")) {
    if (!e.textContent.trim() || e.getClientRects().length === 0) continue;
    const style = getComputedStyle(e);
    const front = parse(e instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [luminance(front), luminance(behind(e))].sort((a, b) => b - a);
    if ((high + 0.05) / (low + 0.05) < 4.5) found.add(`${e.tagName} ${e.getAttribute("class")}: ${e.textContent.trim().slice(0, 30)}`);
  }
  return Array.from(found);
}
