// What is wrong with the slide that is shown, a sentence each; `least` is the smallest letter in pixels of 1280 x 720.
(least) => {
  const slide = Reveal.getCurrentSlide(), stage = document.querySelector('.reveal .slides').getBoundingClientRect();
  const found = [], say = (kind, what) => found.push(`${kind}: ${String(what).trim().slice(0, 90)}`);
  const shown = (e) => e.checkVisibility({visibilityProperty: true});
  const apart = (e) => e.closest('aside.notes, script, style, mjx-assistive-mml');
  const inside = (rect, what) => {
    if (rect.width < 1 || rect.height < 1) return;
    const out = Math.max(rect.right - stage.right, rect.bottom - stage.bottom, stage.left - rect.left, stage.top - rect.top);
    if (out > 1) say(`${Math.round(out)} px outside`, what);
  };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const parts = (text) => text.match(/[\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
  const drawnScale = (svg) => { const r = svg.getBoundingClientRect(), v = svg.viewBox.baseVal;
    return Math.min(r.width / v.width, r.height / v.height) / Reveal.getScale(); };
  const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
    if (!text || apart(e) || !shown(e) || e.closest('option, .refused')) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const rect of range.getClientRects()) inside(rect, text);
    if (!e.closest('pre, code') && /\$|\\[a-zA-Z]{2,}|\{\{/.test(text)) say('mathematics as source', text);
    if (e.closest('mjx-container, sub, sup')) continue;
    const style = getComputedStyle(e), box = e.ownerSVGElement;
    const size = parseFloat(style.fontSize) * (box ? drawnScale(box) : 1);
    if (size < least - .05) say(`text of ${size.toFixed(1)} px`, text);
    const [a, b] = [parts(style[box ? 'fill' : 'color']).slice(0, 3), ground(e)].map(light).sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), enough = size >= 24 ? 3 : 4.5;
    if (ratio < enough && !e.closest(':disabled')) say(`contrast ${ratio.toFixed(1)}`, text);
  }
  for (const e of slide.querySelectorAll('img, canvas, table, mjx-container, .course-widget, pre, input, select, button')) {
    if (apart(e) || !shown(e)) continue;
    const rect = e.getBoundingClientRect();
    inside(rect, e.tagName + ' ' + (e.alt || e.className));
    if (e.tagName === 'IMG') {
      if (!e.complete || !e.naturalWidth) say('picture missing', e.alt);
      if ((e.alt || '').length < 20) say('picture without words', e.outerHTML.slice(0, 40));
      const drawn = Math.min(rect.width / e.naturalWidth, rect.height / e.naturalHeight) / Reveal.getScale();
      const letters = e.dataset.points * 4 / 3 * drawn;  // a point is 4/3 of a pixel; NaN where no figure says it
      if (letters < least - .05) say(`letters of ${letters.toFixed(1)} px`, e.alt);
      if (drawn * e.naturalHeight < 150 && drawn * e.naturalWidth < 600) say(`picture of ${Math.round(drawn * e.naturalWidth)} px`, e.alt);
    }
    if (e.tagName === 'MJX-CONTAINER' && e.parentElement.clientWidth && rect.width > e.parentElement.getBoundingClientRect().width + 2) say('formula too wide', e.textContent);
  }
  for (const e of slide.querySelectorAll('.page *')) {
    if (apart(e) || e.closest('mjx-container, svg, select, input')) continue;
    const style = getComputedStyle(e);
    if (/auto|scroll|hidden|clip/.test(style.overflowX + style.overflowY) && e.clientHeight > 10
        && (e.scrollHeight > e.clientHeight + 3 || e.scrollWidth > e.clientWidth + 3)) say('cut off', e.className);
  }
  const blocks = [...slide.querySelectorAll('.page > *, .column, .piece, .piece > *')].filter(shown);
  for (const e of blocks) for (const next of blocks) {
    if (e === next || e.contains(next) || next.contains(e)) continue;
    const [r, s] = [e.getBoundingClientRect(), next.getBoundingClientRect()];
    const over = Math.min(r.right, s.right) - Math.max(r.left, s.left) > 3 && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 3;
    if (over && r.top <= s.top) say('one over the other', `${e.innerText.slice(0, 30)} / ${next.innerText.slice(0, 30)}`);
  }
  for (const e of slide.querySelectorAll('[data-mml-node=merror], mjx-merror')) say('formula in error', e.textContent);
  for (const e of slide.querySelectorAll('[data-course-widget]')) if (e.dataset.alive !== 'yes') say('widget not alive', '');
  if ((slide.querySelector('aside.notes')?.innerText ?? slide.querySelector('aside.notes')?.textContent ?? '').length < 60) say('no notes', '');
  return [...new Set(found)];
}
