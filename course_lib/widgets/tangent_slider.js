// The tangent slider: at each place it looks up the numbers and the sentence that Python computed, and draws them.

function render({ model, el }) {
  const { words, curves, colours, start } = model.get("state");
  const [width, height, left, bottom] = [560, 320, 56, 28];
  let curve, draws = 0;
  const across = (x) => left + ((x - curve.x[0]) / (curve.x[1] - curve.x[0])) * (width - left - 8);
  const down = (y) => 8 + ((curve.y[1] - y) / (curve.y[1] - curve.y[0])) * (height - bottom - 8);

  const svg = (tag, properties = {}, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const line = (kind, properties = {}) => svg("line", { class: kind, ...properties });
  const move = (node, xa, ya, xb, yb) => {
    const places = { x1: across(xa), y1: down(ya), x2: across(xb), y2: down(yb) };
    for (const [name, place] of Object.entries(places)) node.setAttribute(name, place);
    return node;
  };

  const clip = `plot-${Math.random().toString(36).slice(2)}`;
  const clipped = svg("clipPath", { id: clip });
  clipped.append(svg("rect", { x: left, y: 0, width: width - left, height: height - bottom }));
  const tangent = line("tangent", { "clip-path": `url(#${clip})` });
  const [value, estimate] = [line("value"), line("estimate")];
  const point = svg("circle", { class: "point", r: 5 });
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });

  const slider = make("input", { type: "range", min: 0, max: curves[0].rows.length - 1, step: 1, oninput: draw });
  const numbers = ["slider", "value", "slope", "estimate"].map((name) =>
    make("div", { class: `box ${name}` }, make("span", {}, words[name]), make("span", { class: "number" })));
  const sentence = make("p", { class: "sentence", "aria-live": "polite" });
  const chooser = make("select", { onchange: choose }, ...curves.map(({ name }, i) => make("option", { value: i }, name)));
  const title = make("h4");
  const field = (label, control) => make("label", { class: "field" }, make("span", {}, label), control);
  const root = make(
    "section",
    { class: "course-widget tangent-slider", style: `--value: ${colours[0]}; --estimate: ${colours[1]}` },
    title,
    ...(curves.length > 1 ? [field(words.function, chooser)] : []),
    field(words.slider, slider), drawing, make("div", { class: "boxes" }, ...numbers), sentence,
  );

  function choose() {
    curve = curves[chooser.value];
    const [horizontal, vertical] = curve.ticks;
    drawing.replaceChildren(
      clipped,
      move(line("axis"), curve.x[0], 0, curve.x[1], 0),
      move(line("axis"), 0, curve.y[0], 0, curve.y[1]),
      ...horizontal.map(([x, text]) => svg("text", { x: across(x), y: height - 8, "text-anchor": "middle" }, text)),
      ...vertical.map(([y, text]) => svg("text", { x: left - 8, y: down(y) + 4, "text-anchor": "end" }, text)),
      svg("polyline", { class: "curve", points: curve.rows.map(({ x, y }) => `${across(x)},${down(y)}`).join(" ") }),
      tangent, value, estimate, point,
    );
    title.textContent = curve.title;
    root.setAttribute("aria-label", curve.title);
    draw();
  }

  function draw() {
    const { x, y, slope, foot, texts, sentence: said } = curve.rows[slider.value];
    move(tangent, curve.x[0], foot + slope * curve.x[0], curve.x[1], foot + slope * curve.x[1]);
    move(value, x, 0, x, y);
    move(estimate, 0, foot, 0, y);
    point.setAttribute("cx", across(x));
    point.setAttribute("cy", down(y));
    numbers.forEach((box, i) => (box.lastChild.textContent = texts[i]));
    sentence.textContent = said;
    slider.setAttribute("aria-valuetext", texts[0]);
    drawing.setAttribute("aria-label", `${curve.title}. ${said}`);
    root.dataset.draws = ++draws;
  }

  slider.value = start;
  choose();
  el.append(root);
}

export default { render };
