/* The playground: gradient descent with momentum on a table that fits the page.

   The first half is arithmetic and runs anywhere; the second half draws and listens. The numbers
   come as JSON from docs/playground_data.py. No dependencies, no build step. */
"use strict";

const playground = (() => {
  const DIVERGED = 10; // times the loss at the start: the package's own rule
  const HUNDREDTH = 100;
  const MEMORY = 2.2; // momenta up to 1 - 10^-2.2
  const KINDS = { ema: "EMA", heavy_ball: "heavy ball", nesterov: "Nesterov" };

  /* ---- the objective ---------------------------------------------------------------------- */

  /* F(w) = F* + (w - w*)' H (w - w*) / 2 */
  function quadratic({ hessian, optimum, lowest }) {
    const d = optimum.length;
    return {
      optimum,
      evaluate(w, gradient) {
        let bend = 0;
        for (let i = 0; i < d; i++) {
          let sum = 0;
          for (let j = 0; j < d; j++) sum += hessian[i][j] * (w[j] - optimum[j]);
          gradient[i] = sum;
          bend += sum * (w[i] - optimum[i]);
        }
        return lowest + bend / 2;
      },
    };
  }

  /* Mean log-loss of one margin (two classes) or of a margin a class, + alpha |w|^2 / 2. In w an
     output's coefficients are followed by its intercept, which is not penalised. */
  function logistic({ rows, columns, labels, classes, alpha, optimum }) {
    const n = labels.length, outputs = classes === 2 ? 1 : classes, width = columns + 1;
    const X = Float64Array.from(rows, (value) => value / HUNDREDTH);
    const z = new Float64Array(outputs);
    return {
      optimum,
      evaluate(w, gradient) {
        let loss = 0;
        gradient.fill(0);
        for (let i = 0; i < n; i++) {
          const row = i * columns;
          for (let k = 0; k < outputs; k++) {
            let margin = w[k * width + columns];
            for (let j = 0; j < columns; j++) margin += w[k * width + j] * X[row + j];
            z[k] = margin;
          }
          loss += outputs === 1 ? binary(z, labels[i]) : multinomial(z, labels[i]);
          for (let k = 0; k < outputs; k++) {
            for (let j = 0; j < columns; j++) gradient[k * width + j] += z[k] * X[row + j];
            gradient[k * width + columns] += z[k];
          }
        }
        let squares = 0;
        for (let i = 0; i < w.length; i++) {
          gradient[i] /= n;
          if (i % width === columns) continue;
          gradient[i] += alpha * w[i];
          squares += w[i] * w[i];
        }
        return loss / n + (alpha / 2) * squares;
      },
    };
  }

  /* Both give the loss of a row and leave its derivative by the margins in their place. */
  function binary(z, label) {
    const margin = z[0], small = Math.exp(-Math.abs(margin));
    z[0] = (margin > 0 ? 1 : small) / (1 + small) - label;
    return Math.max(margin, 0) - label * margin + Math.log1p(small);
  }

  function multinomial(z, label) {
    const highest = Math.max(...z), own = z[label];
    let sum = 0;
    for (let k = 0; k < z.length; k++) sum += z[k] = Math.exp(z[k] - highest);
    for (let k = 0; k < z.length; k++) z[k] = z[k] / sum - (k === label ? 1 : 0);
    return highest + Math.log(sum) - own;
  }

  const modelOf = (table) => (table.model.hessian ? quadratic : logistic)(table.model);

  /* ---- the descent ------------------------------------------------------------------------ */

  /* From zero, a line of the table of momentum types an epoch. Losses, and the path in the plane. */
  function descend(table, model, { kind, rate, momentum }, epochs = table.cap) {
    const { optimum } = model, { u, v } = table.plane, size = optimum.length;
    const w = new Float64Array(size), velocity = new Float64Array(size), g = new Float64Array(size);
    const losses = [], path = [];
    const keep = kind === "ema" ? 1 - momentum : 1;
    for (let epoch = 0; ; epoch++) {
      losses.push(model.evaluate(w, g));
      let a = 0, b = 0;
      for (let i = 0; i < size; i++) {
        a += (w[i] - optimum[i]) * u[i];
        b += (w[i] - optimum[i]) * v[i];
      }
      path.push([a, b]);
      const diverged = !(losses[epoch] <= DIVERGED * losses[0]);
      if (diverged || epoch === epochs) return { losses, path, diverged };
      for (let i = 0; i < size; i++) {
        velocity[i] = momentum * velocity[i] + keep * g[i];
        w[i] -= rate * (kind === "nesterov" ? g[i] + momentum * velocity[i] : velocity[i]);
      }
    }
  }

  /* The first epoch at the target, and the one from which the loss stays there; -1: none. */
  function arrival({ losses }, target) {
    const first = losses.findIndex((loss) => loss <= target);
    let stays = losses.length;
    while (stays > 0 && losses[stays - 1] <= target) stays--;
    return { first, stays: stays < losses.length ? stays : -1 };
  }

  /* The end of the stable range on a quadratic of curvature L. */
  function stableLimit(kind, momentum, L) {
    const per = { ema: 1 - momentum, heavy_ball: 1, nesterov: 1 + 2 * momentum }[kind];
    return (2 * (1 + momentum)) / (per * L);
  }

  /* The learning rate in other units. EMA and heavy ball: the same iterates. Nesterov: as far in
     the long run. */
  function convert(rate, momentum, from, to) {
    const unit = (kind) => (kind === "ema" ? 1 - momentum : 1);
    return (rate * unit(from)) / unit(to);
  }

  /* ---- what is said ----------------------------------------------------------------------- */

  const short = (value, digits = 3) => String(Number(value.toPrecision(digits)));
  const epochsIn = (count) => `${count} epoch${count === 1 ? "" : "s"}`;

  /* The pairs of a map: learning rate, momentum, epochs (0: more than the cap; -1: diverged). */
  function* cells(table, kind) {
    const lines = table.maps[kind === "nesterov" ? "nesterov" : "ema"];
    const top = MEMORY / (lines.length - 1) / 2;
    for (const line of lines) {
      const factor = convert(1, line.momentum, kind === "nesterov" ? kind : "ema", kind);
      const step = Math.log10(line.to / line.from) / (line.epochs.length - 1);
      const first = Math.log10(line.from * factor), at = memory(line.momentum);
      for (let i = 0; i < line.epochs.length; i++)
        yield { x: first + i * step, y: at, width: step, height: 2 * top,
          epochs: line.epochs[i], momentum: line.momentum, last: i === line.epochs.length - 1 };
    }
  }

  const best = (found, cell) =>
    cell.epochs > 0 && (!found || cell.epochs < found.epochs) ? cell : found;
  const rateOf = (cell) => 10 ** cell.x;

  function bestOf(table, kind) {
    return [...cells(table, kind)].reduce(best, null);
  }

  /* The best cells of the row and of the column of a pair: one knob turned, the other left. */
  function bestAlone(table, { kind, rate, momentum }) {
    const x = Math.log10(rate), y = memory(momentum), all = [...cells(table, kind)];
    return {
      rate: all.filter((cell) => Math.abs(cell.y - y) <= cell.height / 2).reduce(best, null),
      momentum: all.filter((cell) => Math.abs(cell.x - x) <= cell.width / 2).reduce(best, null),
    };
  }

  /* diagnose's sentence for the pair of its grid that is nearest and ends alike: on the same side
     of the end of the stable range, diverged or not. */
  function verdict(table, { kind, rate, momentum }, diverged) {
    const share = rate / stableLimit(kind, momentum, table.smoothness);
    let found = null, nearest = Infinity;
    for (const [otherMomentum, otherShare, number] of table.verdicts[kind]) {
      const text = table.sentences[number];
      const away = Math.hypot(
        memory(momentum) - memory(otherMomentum), Math.log10(share / otherShare)) +
        (share >= 1 !== otherShare >= 1 ? 10 : 0) +
        (diverged !== text.startsWith("diverged") ? 100 : 0);
      if (away >= nearest) continue;
      nearest = away;
      found = { momentum: otherMomentum, text,
        rate: otherShare * stableLimit(kind, otherMomentum, table.smoothness) };
    }
    return found;
  }

  /* What happens, which knob to turn, what it costs. */
  function outcome(table, state, run, { first, stays }) {
    const pair = `learning rate ${short(state.rate)} and momentum ${short(state.momentum)}`;
    if (run.diverged)
      return `With ${pair} the loss grows: after ${epochsIn(run.losses.length - 1)} it is more ` +
        `than ten times that of the start, and the fit ends as diverged.`;
    if (first < 0)
      return `With ${pair} the loss is not at the target after ${epochsIn(table.cap)}.`;
    const later = stays < 0 ? ", and above it again later"
      : stays > first ? ` for the first time, and stays from epoch ${stays} on` : " and stays";
    return `With ${pair} the loss is at the target after ${epochsIn(first)}${later}; ` +
      `an epoch reads the table once.`;
  }

  function costs(table, state) {
    const alone = bestAlone(table, state), both = bestOf(table, state.kind);
    const auto = table.plane_search.loss.findIndex((loss) => loss <= table.losses.target);
    const knob = (name, cell, value) =>
      `${cell ? cell.epochs : `more than ${table.cap}`} by turning the ${name} alone` +
      (cell ? ` (to ${short(value)})` : "");
    return `The fewest on the map: ` +
      knob("learning rate", alone.rate, alone.rate && rateOf(alone.rate)) + ", " +
      knob("momentum", alone.momentum, alone.momentum && alone.momentum.momentum) + ", " +
      `${both.epochs} by both (${short(rateOf(both))} and ${short(both.momentum)}). ` +
      `Plane search, which chooses both anew every epoch, takes ${auto}.`;
  }

  /* What the switch did to the numbers. */
  function switched(before, after) {
    const numbers = `The learning rate now reads ${short(after.rate)} instead of ` +
      `${short(before.rate)}`;
    if (before.kind !== "nesterov" && after.kind !== "nesterov")
      return `The steps of ${KINDS[after.kind]} are those of ${KINDS[before.kind]} when its ` +
        `learning rate is ${after.kind === "ema" ? "divided" : "multiplied"} by 1 - momentum. ` +
        `${numbers}; the path has not moved.`;
    return `No pair of ${KINDS[after.kind]} takes the steps of ${KINDS[before.kind]}: the path ` +
      `changes. ${numbers}, so that both go equally far while the slope stays the same.`;
  }

  /* ---- scales ----------------------------------------------------------------------------- */

  /* -log10(1 - momentum): 0, 1 and 2 for momenta of 0, 0.9 and 0.99. */
  const memory = (momentum) => -Math.log10(1 - momentum);
  const momentumOf = (place) => 1 - 10 ** -place;

  /* Exponents of 10 between which the learning rates of a type lie. */
  function rateRange(table, kind) {
    const L = table.smoothness, last = momentumOf(MEMORY);
    const lowest = (0.05 / L) * (kind === "ema" ? 1 : 1 - last);
    const beyond = table.model.rows ? 5 : 1;
    const highest = beyond * (kind === "ema" ? 1.6 : 2.5) * stableLimit(kind, kind === "ema" ? last : 0, L);
    return [Math.log10(lowest), Math.log10(highest)];
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /* ---- drawing ---------------------------------------------------------------------------- */

  const MARGIN = { left: 54, right: 14, top: 8, bottom: 38 };
  const RAMP = ["#fde725", "#7ad151", "#22a884", "#2a788e", "#414487", "#440154"];

  /* A canvas of its element's size, cleared, with its axes; x and y turn values into pixels. */
  function plot(canvas, colors, { x, y, labels }) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.font = "12px sans-serif";
    const inner = { left: MARGIN.left, top: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    return {
      ctx, inner, colors,
      x: (value) => inner.left + ((value - x.low) / (x.high - x.low)) * inner.width,
      y: (value) => inner.top + (1 - (value - y.low) / (y.high - y.low)) * inner.height,
      clip(draw) {
        ctx.save();
        ctx.beginPath();
        ctx.rect(inner.left, inner.top, inner.width, inner.height);
        ctx.clip();
        draw(ctx);
        ctx.restore();
      },
      axes() {
        ctx.strokeStyle = colors.line;
        ctx.lineWidth = 1;
        ctx.strokeRect(inner.left, inner.top, inner.width, inner.height);
        ctx.fillStyle = colors.muted;
        ctx.textAlign = "center";
        ctx.textBaseline = "top";
        for (const [value, text] of x.ticks) {
          ctx.fillRect(this.x(value), inner.top + inner.height, 1, 4);
          ctx.fillText(text, this.x(value), inner.top + inner.height + 6);
        }
        ctx.fillText(labels[0], inner.left + inner.width / 2, height - 14);
        ctx.textAlign = "right";
        ctx.textBaseline = "middle";
        for (const [value, text] of y.ticks) {
          ctx.fillRect(inner.left - 4, this.y(value), 4, 1);
          ctx.fillText(text, inner.left - 6, this.y(value));
        }
        ctx.save();
        ctx.translate(7, inner.top + inner.height / 2);
        ctx.rotate(-Math.PI / 2);
        ctx.textAlign = "center";
        ctx.fillText(labels[1], 0, 0);
        ctx.restore();
      },
    };
  }

  function line(ctx, points, color, width = 1.5, dash = []) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.stroke();
    ctx.setLineDash([]);
  }

  function dot(ctx, x, y, radius, fill, stroke) {
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fillStyle = fill;
    ctx.fill();
    if (!stroke) return;
    ctx.strokeStyle = stroke;
    ctx.lineWidth = 1;
    ctx.stroke();
  }

  function linearTicks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((m) => m * power >= 0.75 * rough) * power, ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push([i * step, short(i * step)]);
    return ticks;
  }

  function decadeTicks(low, high, every = 1) {
    const ticks = [];
    for (let e = Math.ceil(low); e <= high; e += every)
      ticks.push([e, e < -3 ? `1e${e}` : short(10 ** e)]);
    return ticks;
  }

  /* Where the lines of equal loss run through a grid: marching squares, a segment at a time. */
  function contour(values, columns, rows, level, segment) {
    const edge = (a, b) => (level - a) / (b - a);
    for (let j = 0; j + 1 < rows; j++)
      for (let i = 0; i + 1 < columns; i++) {
        const a = values[j * columns + i], b = values[j * columns + i + 1];
        const c = values[(j + 1) * columns + i + 1], d = values[(j + 1) * columns + i];
        const hits = [];
        if (a < level !== b < level) hits.push([i + edge(a, b), j]);
        if (b < level !== c < level) hits.push([i + 1, j + edge(b, c)]);
        if (d < level !== c < level) hits.push([i + edge(d, c), j + 1]);
        if (a < level !== d < level) hits.push([i, j + edge(a, d)]);
        for (let k = 0; k + 1 < hits.length; k += 2) segment(hits[k], hits[k + 1]);
      }
  }

  /* The loss on a grid over the plane of the path; kept until the table or the shape changes. */
  function landscape(table, model, shape, kept) {
    const [a0, b0] = descend(table, model, { kind: "ema", rate: 0, momentum: 0 }, 0).path[0];
    const half = 1.3 * Math.max(Math.abs(a0), Math.abs(b0) * shape, 1e-9);
    const key = `${table.key} ${half}`;
    if (kept.key === key) return kept;
    const [columns, rows] = table.model.rows ? [61, 49] : [181, 145];
    const values = new Float64Array(columns * rows);
    const w = new Float64Array(model.optimum.length), g = new Float64Array(w.length);
    const { u, v } = table.plane;
    for (let j = 0; j < rows; j++)
      for (let i = 0; i < columns; i++) {
        const a = half * ((2 * i) / (columns - 1) - 1);
        const b = (half / shape) * ((2 * j) / (rows - 1) - 1);
        for (let k = 0; k < w.length; k++) w[k] = model.optimum[k] + a * u[k] + b * v[k];
        values[j * columns + i] = model.evaluate(w, g);
      }
    return Object.assign(kept, { key, half, columns, rows, values });
  }

  function drawPath(canvas, colors, table, model, run, kept) {
    const shape = (canvas.clientWidth - MARGIN.left - MARGIN.right) /
      (canvas.clientHeight - MARGIN.top - MARGIN.bottom);
    const land = landscape(table, model, shape, kept), { half, columns, rows } = land;
    const x = { low: -half, high: half, ticks: linearTicks(-half, half) };
    const y = { low: -half / shape, high: half / shape, ticks: linearTicks(-half / shape, half / shape) };
    const p = plot(canvas, colors, { x, y, labels: table.plane.axes });
    const { start, lowest, target } = table.losses;
    p.clip((ctx) => {
      const place = ([i, j]) => [
        p.x(half * ((2 * i) / (columns - 1) - 1)),
        p.y((half / shape) * ((2 * j) / (rows - 1) - 1)),
      ];
      const shares = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
      const levels = [...shares.map((s) => lowest + s * (start - lowest)), target];
      for (const level of levels) {
        ctx.strokeStyle = level === target ? colors.second : colors.contour;
        ctx.lineWidth = level === target ? 1.5 : 1;
        ctx.beginPath();
        contour(land.values, columns, rows, level, (from, to) => {
          ctx.moveTo(...place(from));
          ctx.lineTo(...place(to));
        });
        ctx.stroke();
      }
      const points = run.path.slice(0, 400).map(([a, b]) => [p.x(a), p.y(b)]);
      line(ctx, points, colors.accent, 1.2);
      for (const point of points.slice(0, 120)) dot(ctx, ...point, 2, colors.accent);
      dot(ctx, ...points[0], 4.5, colors.paper, colors.text);
      star(ctx, p.x(0), p.y(0), colors);
    });
    p.axes();
  }

  function star(ctx, x, y, colors) {
    ctx.beginPath();
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 3 : 7, angle = (Math.PI * i) / 5 - Math.PI / 2;
      ctx.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
    }
    ctx.closePath();
    ctx.fillStyle = colors.text;
    ctx.fill();
    ctx.strokeStyle = colors.paper;
    ctx.stroke();
  }

  function drawLoss(canvas, colors, table, run, first) {
    const { start, lowest, target } = table.losses, floor = 1e-5;
    const last = first < 0 ? run.losses.length - 1 : 1.4 * first;
    const high = [20, 50, 100, 200, 500, 1000].find((n) => n >= Math.min(last, table.cap)) || last;
    const share = (loss) => Math.log10(Math.max((loss - lowest) / (start - lowest), floor / 10));
    const x = { low: 0, high, ticks: linearTicks(0, high) };
    const y = { low: Math.log10(floor), high: 1.2, ticks: decadeTicks(Math.log10(floor), 1.2) };
    const p = plot(canvas, colors, { x, y, labels: ["epoch", "loss above the lowest (start = 1)"] });
    p.clip((ctx) => {
      const goal = p.y(share(target));
      line(ctx, [[0, goal], [canvas.clientWidth, goal]], colors.second, 1.5, [2, 3]);
      const points = (losses) => losses.slice(0, high + 1).map((f, i) => [p.x(i), p.y(share(f))]);
      line(ctx, points(table.plane_search.loss), colors.text, 1.5, [6, 4]);
      line(ctx, points(run.losses), colors.accent, 2);
      if (first >= 0) dot(ctx, p.x(first), p.y(share(run.losses[first])), 4, colors.accent, colors.paper);
    });
    p.axes();
  }

  /* Few epochs are bright. */
  function shade(epochs, fewest, cap) {
    const t = Math.log(epochs / fewest) / Math.log(cap / fewest);
    const at = clamp(t, 0, 1) * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2);
    const part = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
    const mix = [0, 1, 2].map((k) =>
      Math.round(part(RAMP[i], k) * (i + 1 - at) + part(RAMP[i + 1], k) * (at - i)));
    return `rgb(${mix.join(",")})`;
  }

  const MOMENTUM_TICKS = [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99].map((m) => [memory(m), String(m)]);

  /* Returns the plot, where the point has its place. */
  function drawPlane(canvas, colors, table, kind) {
    const [low, high] = rateRange(table, kind), fewest = bestOf(table, kind).epochs;
    const p = plot(canvas, colors, {
      x: { low, high, ticks: decadeTicks(low, high) },
      y: { low: -0.05, high: MEMORY + 0.05, ticks: MOMENTUM_TICKS },
      labels: ["learning rate", "momentum"],
    });
    p.clip((ctx) => {
      ctx.fillStyle = colors.more;
      ctx.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
      for (const cell of cells(table, kind)) {
        const left = p.x(cell.x - cell.width / 2), top = p.y(cell.y + cell.height / 2);
        const right = p.x(cell.x + cell.width / 2);
        if (cell.last) {
          // What diverges goes on doing so; anything else was not tried.
          ctx.fillStyle = cell.epochs < 0 ? colors.diverged : colors.paper;
          ctx.fillRect(left, top, canvas.clientWidth, p.y(cell.y - cell.height / 2) - top + 0.6);
        }
        ctx.fillStyle = cell.epochs < 0 ? colors.diverged
          : cell.epochs === 0 ? colors.more : shade(cell.epochs, fewest, table.cap);
        ctx.fillRect(left, top, right - left + 0.6, p.y(cell.y - cell.height / 2) - top + 0.6);
      }
      const border = [];
      for (let at = -0.05; at <= MEMORY + 0.06; at += 0.05) {
        const momentum = Math.max(momentumOf(at), 0);
        border.push([p.x(Math.log10(stableLimit(kind, momentum, table.smoothness))), p.y(at)]);
      }
      line(ctx, border, colors.paper, 4);
      line(ctx, border, colors.text, 1.8, [5, 3]);
      for (const [rate, momentum] of searchPairs(table, kind))
        dot(ctx, p.x(Math.log10(rate)), p.y(memory(momentum)), 3.5, colors.paper, colors.text);
    });
    p.axes();
    return p;
  }

  /* Plane search's pairs, heavy ball's by nature, that lie in the picture. */
  function searchPairs(table, kind) {
    const { learning_rate, momentum } = table.plane_search, [low, high] = rateRange(table, kind);
    return learning_rate
      .map((rate, i) => [convert(rate, momentum[i], "heavy_ball", kind), momentum[i]])
      .filter(([rate, m]) => m >= 0 && memory(m) <= MEMORY && rate > 0 &&
        Math.log10(rate) >= low && Math.log10(rate) <= high);
  }

  /* ---- the page --------------------------------------------------------------------------- */

  const COLORS = ["text", "muted", "line", "paper", "accent", "second", "contour", "more", "diverged"];
  let mounted = 0;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function skeleton(tables) {
    const id = `pg${mounted++}`, parts = {};
    const make = (name, ...rest) => (parts[name] = element(...rest));
    const figure = (name, title, legend, inside) =>
      element("figure", {}, element("figcaption", {}, element("b", {}, title)), inside,
        make(`${name}Legend`, "p", { class: "pg-legend" }, ...legend));
    const canvas = (name, label) =>
      make(name, "canvas", { class: "pg-canvas", role: "img", "aria-label": label });
    const key = (kind, text) => element("span", {}, element("i", { class: `pg-key pg-${kind}` }), text);
    const knob = (name, label, number) => [
      element("label", { for: `${id}-${name}` }, label),
      make(name, "input", { type: "range", id: `${id}-${name}`, step: 1 }),
      make(`${name}Number`, "input", { type: "number", "aria-label": `${label}, as a number`,
        step: "any", ...number }),
    ];
    const kinds = Object.entries(KINDS).map(([kind, name]) =>
      element("label", {}, make(kind, "input", { type: "radio", name: `${id}-kind`, value: kind }),
        ` ${name}`));
    const root = [
      element("div", { class: "pg-bar" },
        make("choice", "label", {}, "Table ", make("table", "select", {},
          ...tables.map((table) => element("option", { value: table.key }, table.title)))),
        element("fieldset", {}, element("legend", {}, "Type of momentum"), ...kinds)),
      make("note", "p", { class: "pg-note" }),
      element("div", { class: "pg-knobs" },
        ...knob("rate", "Learning rate", { min: 0 }),
        ...knob("momentum", "Momentum", { min: 0, max: 0.999 })),
      element("div", { class: "pg-panels" },
        figure("plane", "Both knobs", [], element("div", { class: "pg-plane" },
          canvas("planeCanvas", "Epochs to the target for every pair of learning rate and momentum"),
          make("point", "div", { class: "pg-point", role: "slider", tabindex: 0,
            "aria-label": "Learning rate (left, right) and momentum (up, down)",
            "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 1 }))),
        figure("path", "The path", [key("accent", "an epoch a dot"), key("second", "the target"),
          "★ the optimum"], canvas("pathCanvas", "The path on lines of equal loss")),
        figure("loss", "The loss", [key("accent", "this pair"), key("dashes", "both on \"auto\""),
          key("second", "the target")], canvas("lossCanvas", "The loss over the epochs"))),
      make("switched", "p", { class: "pg-switched", hidden: "" }),
      make("said", "div", { class: "pg-said", "aria-live": "polite" }),
    ];
    return { parts, root };
  }

  function mount(place, tables) {
    const { parts, root } = skeleton(tables);
    place.append(...root);
    place.hidden = false;
    const state = { kind: "ema", rate: 0.18, momentum: 0.9 };
    const kept = {};
    let table, model, plane, waiting = false;

    function choose(key) {
      table = tables.find((each) => each.key === key) || tables[0];
      model = modelOf(table);
      parts.table.value = table.key;
      parts.note.textContent = table.note;
    }

    function show() {
      waiting = false;
      const style = getComputedStyle(place), colors = {};
      for (const name of COLORS) colors[name] = style.getPropertyValue(`--pg-${name}`).trim();
      const run = descend(table, model, state), found = arrival(run, table.losses.target);
      plane = drawPlane(parts.planeCanvas, colors, table, state.kind);
      drawPath(parts.pathCanvas, colors, table, model, run, kept);
      drawLoss(parts.lossCanvas, colors, table, run, found.first);
      showKnobs();
      showLegend();
      const advice = verdict(table, state, run.diverged);
      parts.said.replaceChildren(
        element("p", {}, `${outcome(table, state, run, found)} ${costs(table, state)}`),
        element("p", {}, element("code", {}, "diagnose"),
          `, asked about the nearest pair on its list (${short(advice.rate)} and ` +
            `${short(advice.momentum)}), says: ${advice.text}`));
    }

    function showKnobs() {
      const { kind, rate, momentum } = state, [low, high] = rateRange(table, kind);
      Object.assign(parts.rate, { min: Math.round(100 * low), max: Math.round(100 * high) });
      parts.rate.value = Math.round(100 * Math.log10(rate));
      Object.assign(parts.momentum, { min: 0, max: 100 * MEMORY });
      parts.momentum.value = Math.round(100 * memory(momentum));
      parts.rate.setAttribute("aria-valuetext", short(rate));
      parts.momentum.setAttribute("aria-valuetext", short(momentum, 4));
      if (document.activeElement !== parts.rateNumber) parts.rateNumber.value = short(rate, 4);
      if (document.activeElement !== parts.momentumNumber)
        parts.momentumNumber.value = short(momentum, 4);
      parts[kind].checked = true;
      parts.point.style.left = `${plane.x(clamp(Math.log10(rate), low, high))}px`;
      parts.point.style.top = `${plane.y(clamp(memory(momentum), 0, MEMORY))}px`;
      parts.point.setAttribute("aria-valuenow", short(momentum));
      parts.point.setAttribute("aria-valuetext",
        `learning rate ${short(rate)}, momentum ${short(momentum)}`);
    }

    function showLegend() {
      const fewest = bestOf(table, state.kind).epochs, all = table.plane_search.momentum.length;
      const inside = searchPairs(table, state.kind).length;
      const bar = element("i", { class: "pg-ramp" });
      bar.style.background = `linear-gradient(90deg, ${RAMP.join(",")})`;
      const key = (kind, text) => element("span", {}, element("i", { class: `pg-key pg-${kind}` }), text);
      parts.planeLegend.replaceChildren(
        element("span", {}, `${fewest} `, bar, ` ${table.cap} epochs`),
        key("more", "more"), key("diverged", "diverges"),
        key("dashes", "end of the stable range"),
        key("circle", `plane search's pairs (${inside} of ${all} are in the picture` +
          `${state.kind === "nesterov" ? "; heavy ball's units" : ""})`));
    }

    function ask() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(show);
    }

    /* Anything but the switch has nothing more to say about units. */
    function set(changes) {
      parts.switched.hidden = true;
      Object.assign(state, changes);
      ask();
    }

    const roundedRate = (exponent) => Number((10 ** exponent).toPrecision(3));
    const roundedMomentum = (place) => Number(clamp(momentumOf(place), 0, 0.9999).toFixed(4));

    /* So that an address leads to what is seen. */
    function remember() {
      const { kind, rate, momentum } = state;
      const words = { table: table.key, type: kind, rate: short(rate, 4), momentum: short(momentum, 4) };
      try {
        history.replaceState(null, "", `#${new URLSearchParams(words)}`);
      } catch (error) { /* pages that have no address of their own */ }
    }

    function recall() {
      const words = new URLSearchParams(location.hash.slice(1)), changes = {};
      if (words.has("table")) choose(words.get("table"));
      if (words.get("type") in KINDS) changes.kind = words.get("type");
      const rate = Number(words.get("rate")), momentum = Number(words.get("momentum"));
      if (rate > 0 && rate < Infinity) changes.rate = rate;
      if (words.has("momentum") && momentum >= 0 && momentum < 1) changes.momentum = momentum;
      set(changes);
    }

    listen();
    choose(tables[0].key);
    parts.choice.hidden = tables.length === 1;
    if (tables.length === 1)
      state.rate = roundedRate(Math.log10(0.5 * stableLimit("ema", 0.9, table.smoothness)));
    recall();

    function listen() {
      parts.table.addEventListener("change", () => {
        choose(parts.table.value);
        set({});
        remember();
      });
      for (const kind of Object.keys(KINDS))
        parts[kind].addEventListener("change", () => {
          const before = { ...state };
          set({ kind, rate: convert(state.rate, state.momentum, state.kind, kind) });
          parts.switched.textContent = switched(before, state);
          parts.switched.hidden = false;
          remember();
        });
      parts.rate.addEventListener("input", () => set({ rate: roundedRate(parts.rate.value / 100) }));
      parts.momentum.addEventListener("input", () =>
        set({ momentum: roundedMomentum(parts.momentum.value / 100) }));
      parts.rateNumber.addEventListener("input", () => {
        const rate = Number(parts.rateNumber.value);
        if (rate > 0 && rate < Infinity) set({ rate });
      });
      parts.momentumNumber.addEventListener("input", () => {
        const momentum = Number(parts.momentumNumber.value);
        if (parts.momentumNumber.value !== "" && momentum >= 0 && momentum < 1) set({ momentum });
      });
      for (const name of ["rate", "momentum", "rateNumber", "momentumNumber"])
        parts[name].addEventListener("change", remember);
      listenToPlane();
      window.addEventListener("hashchange", () => {
        recall();
        // The link may be far below the pictures.
        place.scrollIntoView({ block: "start" });
      });
      new ResizeObserver(ask).observe(place);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
      for (const each of [document.documentElement, document.body])
        new MutationObserver(ask).observe(each, { attributeFilter: ["data-theme"] });
    }

    function listenToPlane() {
      const area = parts.point.parentElement;
      const move = (event) => {
        const box = area.getBoundingClientRect(), { inner } = plane;
        const [low, high] = rateRange(table, state.kind);
        const right = clamp((event.clientX - box.left - inner.left) / inner.width, 0, 1);
        const up = clamp(1 - (event.clientY - box.top - inner.top) / inner.height, 0, 1);
        set({
          rate: roundedRate(low + right * (high - low)),
          momentum: roundedMomentum(clamp(up * (MEMORY + 0.1) - 0.05, 0, MEMORY)),
        });
      };
      area.addEventListener("pointerdown", (event) => {
        area.setPointerCapture(event.pointerId);
        parts.point.focus({ preventScroll: true });
        move(event);
        event.preventDefault();
      });
      area.addEventListener("pointermove", (event) => {
        if (area.hasPointerCapture(event.pointerId)) move(event);
      });
      area.addEventListener("pointerup", remember);
      parts.point.addEventListener("keydown", (event) => {
        const far = event.shiftKey ? 0.1 : 0.02, [low, high] = rateRange(table, state.kind);
        const x = { ArrowLeft: -far, ArrowRight: far }[event.key] || 0;
        const y = { ArrowDown: -far, ArrowUp: far }[event.key] || 0;
        if (!x && !y) return;
        event.preventDefault();
        if (x) set({ rate: roundedRate(clamp(Math.log10(state.rate) + x, low, high)) });
        if (y) set({ momentum: roundedMomentum(clamp(memory(state.momentum) + y, 0, MEMORY)) });
      });
      parts.point.addEventListener("keyup", remember);
    }
  }

  /* Each place with the data that follow it. */
  function start() {
    for (const place of document.querySelectorAll("div.playground")) {
      const data = place.parentElement.querySelector("script.playground-data");
      mount(place, JSON.parse(data.textContent));
    }
  }

  return { modelOf, descend, arrival, convert, stableLimit, verdict, start };
})();

if (typeof module !== "undefined") module.exports = playground;
else if (document.readyState === "loading")
  document.addEventListener("DOMContentLoaded", playground.start);
else playground.start();
