// Runs inside a page: faults that make it hard to read for somebody, as texts. Without types, which are the Worker's.
(() => {
  const faults = [];

  for (const selector of ["html[lang='en']", "main", "h1", "meta[name='viewport']"]) {
    const count = document.querySelectorAll(selector).length;
    if (count !== 1) faults.push(`${count} of ${selector}`);
  }
  if (document.title.trim() === "") faults.push("no title");
  for (const header of document.querySelectorAll("th:not([scope])")) {
    faults.push(`no scope: ${header.textContent}`);
  }
  for (const link of document.querySelectorAll("a")) {
    if (link.textContent.trim() === "") faults.push(`no text: ${link.href}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`${scrollWidth} wide on a screen of ${clientWidth}`);
  for (const element of document.querySelectorAll("h1, h2, p, a, td, th, li, dt, dd, code")) {
    const ratio = contrast(getComputedStyle(element).color, groundOf(element));
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${element.textContent}`);
  }
  return faults;

  function groundOf(element) {
    if (element === null) return "rgb(255, 255, 255)";
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? groundOf(element.parentElement) : color;
  }

  /** WCAG 2.2, success criterion 1.4.3. */
  function contrast(one, other) {
    const [darker, lighter] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
  }

  function luminance(color) {
    const [red, green, blue] = color.match(/[\d.]+/g).map((text) => {
      const share = Number(text) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
})();
