// What can be found wrong with a page by looking at it: names, labels, order of headings, contrast, size of targets.
(() => {
  const wrong = [];
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return box.width > 1 && box.height > 1 && style.visibility !== "hidden" && style.display !== "none";
  };
  const shown = (element) => `${element.tagName.toLowerCase()} “${(element.textContent || element.name || "").trim().slice(0, 40)}”`;

  if (!document.documentElement.lang) wrong.push("the document has no language");
  if (!document.title.trim()) wrong.push("the document has no title");
  if (document.querySelectorAll("main").length !== 1) wrong.push("there is not exactly one main");
  if (document.querySelectorAll("h1").length !== 1) wrong.push("there is not exactly one h1");

  let level = 0;
  for (const heading of document.querySelectorAll("h1,h2,h3,h4,h5,h6")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) wrong.push(`${shown(heading)} comes after h${level}`);
    level = own;
  }
  for (const image of document.images) if (!image.hasAttribute("alt")) wrong.push(`an image has no alt: ${image.src}`);
  for (const link of document.querySelectorAll("a[href], button")) {
    if (!(link.textContent.trim() || link.getAttribute("aria-label"))) wrong.push(`${shown(link)} has no name`);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels.length && !field.getAttribute("aria-label")) wrong.push(`${shown(field)} has no label`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`the id ${id} is there twice`);
  for (const cell of document.querySelectorAll("th")) if (!cell.scope) wrong.push(`${shown(cell)} has no scope`);
  for (const element of document.querySelectorAll("[style], script:not([src])")) wrong.push(`${shown(element)} is inline`);
  for (const target of document.querySelectorAll("button, input:not([type=hidden]), select, nav a")) {
    const box = target.getBoundingClientRect();
    if (visible(target) && box.height < 24) wrong.push(`${shown(target)} is ${box.height} px high`);
  }

  const channels = (color) => {
    const found = color.match(/[\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || judged.has(element) || !visible(element)) continue;
    judged.add(element);
    const style = getComputedStyle(element);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const [light, dark] = [luminance(channels(style.color).rgb), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < (large ? 3 : 4.5)) wrong.push(`${shown(element)} has a contrast of ${contrast.toFixed(2)}`);
  }
  return wrong;
})()
