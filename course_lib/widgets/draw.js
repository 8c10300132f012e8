// What the course's widgets share: building elements, reading Python's arrays, and the one way to colour a map.

const CONTROLS = ["input", "select", "button"];

/** An element with properties (on... are listeners, others attributes) and children. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  if (CONTROLS.includes(tag)) node.setAttribute("data-lm-suppress-shortcuts", "true"); // arrow keys move it, not Jupyter's cells
  node.append(...children);
  return node;
}

/** Bytes from Python, a DataView, as an array of `Type`, copied so that they are aligned. */
function array(view, Type) {
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Where row or column i of N falls among n cells: the two cells and the share of the second (align_corners=False). */
function between(n, N) {
  return Array.from({ length: N }, (_, i) => {
    const place = Math.max(((i + 0.5) * n) / N - 0.5, 0);
    const first = Math.min(Math.floor(place), n - 1);
    return [first, Math.min(first + 1, n - 1), place - first];
  });
}

/** Bilinear upsampling of a map (h, w) to (H, W). */
function upsample(map, h, w, H, W) {
  const out = new Float32Array(H * W);
  const columns = between(w, W);
  let i = 0;
  for (const [top, bottom, down] of between(h, H)) {
    for (const [left, right, along] of columns) {
      const above = map[top * w + left] * (1 - along) + map[top * w + right] * along;
      const below = map[bottom * w + left] * (1 - along) + map[bottom * w + right] * along;
      out[i++] = above * (1 - down) + below * down;
    }
  }
  return out;
}

/** Values as places in a table of 256 colours, which stand for -limit to limit where signed, else for 0 to limit. */
function shades(values, limit, signed) {
  return Uint8Array.from(values, (value) => {
    const share = Math.min(Math.max(limit > 0 ? value / limit : 0, signed ? -1 : 0), 1);
    return Math.round(255 * (signed ? (share + 1) / 2 : share));
  });
}

/** Places in a table as red, green, blue, one after the other. */
function colours(places, table) {
  const rgb = new Uint8Array(3 * places.length);
  for (let i = 0; i < rgb.length; i++) rgb[i] = table[3 * places[(i / 3) | 0] + (i % 3)];
  return rgb;
}

/** One picture over another, with the same strength everywhere. */
function mix(under, over, opacity) {
  return over.map((value, i) => Math.round(under[i] * (1 - opacity) + value * opacity));
}

/** Show h x w pixels, given as red, green, blue. */
function paint(canvas, h, w, rgb) {
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const image = new ImageData(w, h);
  for (let i = 0, at = 0; i < image.data.length; i++) image.data[i] = i % 4 === 3 ? 255 : rgb[at++];
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
}
