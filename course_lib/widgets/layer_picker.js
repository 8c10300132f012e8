// The layer picker: it looks up and draws what Python computed, and computes no map, limit or sentence itself.

function render({ model, el }) {
  const fixed = model.get("fixed"); // words, colours, classes, thumbnails' size: the same for the widget's whole life
  const { words, live } = fixed;
  const tables = array(model.get("tables"), Uint8Array);
  const [signedTable, otherTable] = [tables.subarray(0, 768), tables.subarray(768)];
  const choice = { ...fixed.start };
  let shown, maps, pixels, picture; // the state that is on the screen
  let waiting = null, answered = true, draws = 0, typed = ""; // the last choice that was not sent, whether the last sent is answered

  const named = (label, control, ...more) => make("label", { class: "field" }, make("span", {}, label), control, ...more);
  const framed = (label) => {
    const canvas = make("canvas", { role: "img" });
    return { canvas, figure: make("figure", {}, make("figcaption", {}, label), canvas) };
  };
  const list = `classes-${Math.random().toString(36).slice(2)}`;
  const ui = {
    thumbnails: make("div", { class: "thumbnails", role: "group", "aria-label": words.pictures }),
    upload: make("input", { type: "file", accept: "image/*", "aria-label": words.upload, onchange: upload }),
    target: make("input", {
      type: "text", list, autocomplete: "off", placeholder: words.target_hint, disabled: !live,
      onfocus: () => (ui.target.value = typed = ""), onblur: restoreTarget, onchange: chooseTarget,
      onkeydown: (event) => event.key === "Enter" && chooseTarget(),
    }),
    options: make("datalist", { id: list }),
    method: make("select", { onchange: () => choose({ method: ui.method.value }) }),
    layer: make("input", { type: "range", min: 0, step: 1, oninput: () => choose({ layer: +ui.layer.value }) }),
    layerText: make("span", { class: "layer-text" }),
    relu: make("input", { type: "checkbox", onchange: () => choose({ relu: ui.relu.checked }) }),
    opacity: make("input", {
      type: "range", min: 0, max: 100, step: 5, oninput: () => choose({ opacity: ui.opacity.value / 100 }),
    }),
    opacityText: make("span", { class: "number" }),
    input: framed(words.picture), overlay: framed(words.overlay), map: framed(words.map),
    bar: make("canvas", { class: "bar", "aria-hidden": "true" }),
    ticks: make("div", { class: "ticks" }), unit: make("span", { class: "unit" }),
    sentence: make("p", { class: "sentence", "aria-live": "polite" }),
    logits: make("ol", { class: "logits" }), channels: make("ol", { class: "channels" }),
    status: make("p", { class: "status", role: "status" }),
  };
  ui.map.figure.append(ui.bar, ui.ticks);
  ui.map.figure.firstChild.append(ui.unit);
  const file = make("label", { class: "file" }, ui.upload, words.upload);
  const root = make(
    "section", {
      class: "course-widget picker", "aria-label": words.title,
      style: `--for: rgb(${signedTable.subarray(3 * 216, 3 * 217)}); --against: rgb(${signedTable.subarray(3 * 40, 3 * 41)})`,
    },
    ...(live ? [make("div", { class: "row" }, ui.thumbnails, file)] : []),
    make("div", { class: "row fields" },
      named(words.target, ui.target), ui.options, named(words.method, ui.method),
      make("label", { class: "check" }, ui.relu, words.relu), named(words.opacity, ui.opacity, ui.opacityText)),
    make("div", { class: "row layer" }, named(words.layer, ui.layer), ui.layerText),
    make("div", { class: "pictures" }, ui.input.figure, ui.overlay.figure, ui.map.figure),
    ui.sentence,
    make("div", { class: "details" },
      make("div", {}, make("h4", {}, words.logits), ui.logits),
      make("div", {}, make("h4", {}, words.channels), ui.channels)),
    ui.status,
  );

  // ------------------------------------------------------------------ choices: those that need no kernel are drawn
  function choose(change) {
    Object.assign(choice, change);
    if (shown.maps[key()]) draw();
    else ask({ method: choice.method });
  }

  function key() {
    const { layered } = shown.methods[choice.method];
    return layered ? `${shown.layers[choice.layer].name} ${choice.method}` : choice.method;
  }

  // ------------------------------------------------------------------ requests: one at a time, the last choice wins
  function ask(content, buffers = [[]]) {
    waiting = { content, buffers };
    ui.status.textContent = words.computing;
    root.setAttribute("aria-busy", "true");
    if (answered) send();
  }

  function send() {
    const { content, buffers } = waiting;
    [waiting, answered] = [null, false];
    buffers.forEach((part, i) => {
      model.send({ ...content, method: choice.method, part: i, parts: buffers.length }, undefined, part);
    });
  }

  function receive() {
    answered = true;
    if (waiting) send(); // what arrived is out of date
    else show(model.get("shown"));
  }

  function chooseTarget() {
    const text = ui.target.value.trim();
    if (!text || text === typed || text === shown.target) return; // Enter, then leaving the field, is one choice
    typed = text;
    ask({ target: text });
  }

  function restoreTarget() {
    if (answered) ui.target.value = shown.target;
  }

  async function upload() {
    const given = ui.upload.files[0];
    if (!given) return;
    const parts = [];
    for (let at = 0; at === 0 || at < given.size; at += fixed.part) {
      parts.push([await given.slice(at, at + fixed.part).arrayBuffer()]);
    }
    ui.upload.value = "";
    ask({ upload: given.name }, parts);
  }

  // ------------------------------------------------------------------ showing: a new state, then one draw
  function show(state) {
    const first = !shown;
    shown = state;
    maps = array(model.get("maps"), live ? Float32Array : Int8Array);
    pixels = array(model.get("pixels"), Uint8Array); // the picture, then the channels' activations
    picture = pixels.subarray(0, 3 * shown.size[0] * shown.size[1]);
    root.setAttribute("aria-busy", "false");
    ui.status.textContent = shown.status;
    if (!shown.methods[choice.method].ready) choice.method = fixed.start.method;
    ui.target.value = shown.target;
    if (document.activeElement === ui.target) ui.target.select();
    const others = fixed.labels.filter((name) => !shown.top.includes(name));
    ui.options.replaceChildren(...[...shown.top, ...others].map((name) => make("option", { value: name })));
    ui.layer.max = shown.layers.length - 1;
    ui.method.replaceChildren(...Object.entries(shown.methods).map(([name, { ready }]) =>
      make("option", { value: name, disabled: !ready && !live }, name)));
    ui.logits.replaceChildren(...shown.logits.map(logit));
    if (live) thumbnails();
    const [height, width] = shown.size;
    for (const { canvas } of [ui.input, ui.overlay]) canvas.classList.toggle("coarse", width < 128);
    paint(ui.input.canvas, height, width, picture);
    ui.input.canvas.setAttribute("aria-label", shown.picture);
    if (first) [ui.relu.checked, ui.opacity.value] = [choice.relu, 100 * choice.opacity];
    draw();
  }

  function logit({ name, text, share, target }) {
    const side = share < 0 ? "against" : "for";
    return make("li", {},
      make("button", {
        type: "button", disabled: !live, "aria-pressed": String(target), onclick: () => ask({ target: name }),
      }, make("span", { class: "name" }, name),
      make("span", { class: `bar ${side}`, style: `--share: ${Math.abs(share)}` }), make("span", { class: "number" }, text)));
  }

  function thumbnails() {
    const data = array(model.get("thumbs"), Uint8Array);
    const side = fixed.thumb;
    const size = 3 * side * side;
    const focused = [...ui.thumbnails.children].indexOf(document.activeElement);
    ui.thumbnails.replaceChildren(...shown.pictures.map((name, n) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      paint(canvas, side, side, data.subarray(n * size, (n + 1) * size));
      return make("button", {
        type: "button", title: name, "aria-label": name, "aria-pressed": String(n === shown.chosen),
        onclick: () => ask({ picture: n }),
      }, canvas);
    }));
    ui.thumbnails.children[focused]?.focus();
  }

  function draw() {
    const layer = shown.layers[choice.layer];
    const entry = shown.maps[key()];
    const sentence = entry.refused ?? entry.views[+choice.relu].sentence;
    ui.layer.value = choice.layer;
    ui.layer.setAttribute("aria-valuetext", layer.text);
    ui.layerText.textContent = layer.text;
    ui.method.value = choice.method;
    ui.opacityText.textContent = `${Math.round(100 * choice.opacity)} %`;
    ui.sentence.textContent = sentence;
    ui.overlay.canvas.setAttribute("aria-label", `${words.overlay}: ${sentence}`);
    ui.map.canvas.setAttribute("aria-label", `${words.map}: ${sentence}`);
    ui.channels.replaceChildren(...layer.channels.map(drawChannel), ...(layer.channels.length ? [] : [words.no_channels]));
    ui.map.figure.classList.toggle("refused", "refused" in entry);
    if (entry.refused) paint(ui.overlay.canvas, ...shown.size, picture);
    else drawMap(entry, entry.views[+choice.relu]);
    root.dataset.draws = ++draws;
  }

  function drawMap({ at, size, unit, views }, { limit, signed, low, high }) {
    const [h, w] = size;
    const table = signed ? signedTable : otherTable;
    const sent = maps.subarray(at, at + h * w);
    const raw = live ? sent : Float32Array.from(sent, (root) => (views[0].limit * root * Math.abs(root)) / 127 ** 2);
    const values = choice.relu ? raw.map((value) => Math.max(value, 0)) : raw;
    const coloured = (numbers) => colours(shades(numbers, limit, signed), table);
    paint(ui.map.canvas, h, w, coloured(values));
    paint(ui.bar, 1, 256, table);
    ui.ticks.replaceChildren(...[low, ...(signed ? ["0"] : []), high].map((text) => make("span", {}, text)));
    ui.unit.textContent = unit;
    const large = coloured(upsample(values, h, w, ...shown.size));
    paint(ui.overlay.canvas, ...shown.size, mix(picture, large, choice.opacity));
  }

  function drawChannel({ channel, alpha, channel_alt, at, size, signed }) {
    const canvas = make("canvas", { role: "img", "aria-label": channel_alt, class: "coarse" });
    const start = picture.length + at;
    paint(canvas, ...size, colours(pixels.subarray(start, start + size[0] * size[1]), signed ? signedTable : otherTable));
    return make("li", {}, canvas, make("span", {}, channel), make("span", { class: "number" }, alpha));
  }

  el.append(root);
  model.on("change:shown", receive);
  receive();
  return () => model.off("change:shown", receive);
}

export default { render };
