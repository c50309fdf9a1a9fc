self.play = self.play || {};

// A scatter of codes on the canvas in `root`. `hooks`, for the part to play with: `drag(move)` is told how far the marker is
// dragged, in the axes' units; `pick(i)` is told which dot is clicked. Returns functions that change the codes and the marker.
self.play.scatter = function (root, data, hooks) {
  "use strict";
  hooks = hooks || {};
  const n = data.labels.length, deep = data.codes[0].length === 3, side = data.side;
  const canvas = root.querySelector("canvas.plot"), pen = canvas.getContext("2d");
  const tip = root.querySelector(".tip"), thumb = tip.querySelector("canvas"), tipText = tip.querySelector("div");
  const said = root.querySelector(".said");  // absent in the part to play with
  const sprite = new Image();
  sprite.src = data.sprite;
  sprite.onload = function () { if (chosen >= 0) show(chosen); };

  // Scale the codes to a box from -1 to 1. All dimensions have the same scale; an axis of labels has its own.
  const low = data.codes[0].slice(), high = data.codes[0].slice();
  for (const code of data.codes) code.forEach(function (v, d) {
    low[d] = Math.min(low[d], v); high[d] = Math.max(high[d], v);
  });
  const halves = low.map(function (v, d) { return (high[d] - v) / 2; }), widest = Math.max(...halves);
  const half = halves.map(function (v) { return (data.axes[1] === "label" ? v : widest) || 1; });
  const middle = low.map(function (v, d) { return (v + high[d]) / 2; });
  function boxed(code) { return code.map(function (v, d) { return (v - middle[d]) / half[d]; }); }
  let codes = data.codes, points = codes.map(boxed), marker = null, mean = null;

  const start = { yaw: -0.7, pitch: 0.38, zoom: 1, x: 0, y: 0 };
  let view = Object.assign({}, start), chosen = -1, turning = false, due = false;
  const shown = data.names.map(function () { return true; });
  const place = new Float32Array(3 * n);
  let order = points.map(function (_, i) { return i; });
  let width = 600, height = 440, ratio = 1, discs = [];

  function resize() {
    const before = width * ratio;
    width = canvas.clientWidth || 600;
    height = Math.round(Math.min(Math.max(width * (data.shape || 0.68), data.lowest || 320), 620));
    ratio = window.devicePixelRatio || 1;
    if (discs.length && width * ratio === before) return;  // only the text below changed its height
    canvas.style.height = height + "px";
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const r = radius() * ratio, size = Math.ceil(2 * r + 4);
    discs = data.colors.map(function (color) {
      const disc = document.createElement("canvas"), p = disc.getContext("2d");
      disc.width = disc.height = size;
      p.arc(size / 2, size / 2, r, 0, 7);
      p.fillStyle = color; p.fill();
      p.lineWidth = 0.7 * ratio; p.strokeStyle = "rgba(0,0,0,.5)"; p.stroke();
      return disc;
    });
    paint();  // at once: a canvas of another size is empty
  }
  function radius() { return width < 500 ? 3 : 3.6; }
  // A cube's corner is √3 from its middle: turned in any way it stays inside, with room for the names.
  function scale() { return Math.min(width, height) * (deep ? 0.46 / Math.sqrt(3) : 0.46) * view.zoom; }
  function project(p) {  // position on the canvas, and nearness to the eye
    const s = scale();
    if (!deep) return [width / 2 + s * (p[0] + view.x), height / 2 - s * (p[1] + view.y), 0];
    const c = Math.cos(view.yaw), d = Math.sin(view.yaw), e = Math.cos(view.pitch), f = Math.sin(view.pitch);
    const x = p[0] * c - p[1] * d, y = p[0] * d + p[1] * c;
    return [width / 2 + s * x, height / 2 - s * (p[2] * e + y * f), p[2] * f - y * e];
  }
  function line(a, b, color) {
    pen.strokeStyle = color; pen.beginPath(); pen.moveTo(a[0], a[1]); pen.lineTo(b[0], b[1]); pen.stroke();
  }
  function text(words, x, y, align) { pen.textAlign = align || "center"; pen.fillText(words, x, y); }

  function box(front) {
    const corners = [];
    for (const x of [-1, 1]) for (const y of [-1, 1]) for (const z of [-1, 1]) corners.push([x, y, z]);
    const ends = corners.map(project);
    const back = ends.reduce(function (best, end, i) { return end[2] < ends[best][2] ? i : best; }, 0);
    const best = [null, null, null];
    for (let a = 0; a < 8; a++) for (let axis = 0; axis < 3; axis++) {
      const b = a ^ [4, 2, 1][axis];
      if (b < a) continue;
      if ((a === back || b === back) !== front) line(ends[a], ends[b], front ? "#ddd" : "#bbb");
      const x = (ends[a][0] + ends[b][0]) / 2, y = (ends[a][1] + ends[b][1]) / 2;
      const good = axis < 2 ? y : -x;  // put the names at the lowest edges and the leftmost one
      if (!best[axis] || good > best[axis][2]) best[axis] = [x, y, good];
    }
    if (front) best.forEach(function (at, axis) {
      text(data.axes[axis], at[0] + (axis === 2 ? -8 : 0), at[1] + (axis === 2 ? 0 : 18), axis === 2 ? "right" : "center");
    });
  }
  function halo(words, x, y, align) {  // keep text readable over dots
    pen.save(); pen.strokeStyle = "rgba(255,255,255,.9)"; pen.lineWidth = 4; pen.textAlign = align || "center";
    pen.strokeText(words, x, y); pen.restore(); text(words, x, y, align);
  }
  function grid(front) {
    const s = scale();
    pen.fillStyle = "#444";
    for (const axis of [0, 1]) {
      const rough = 90 / s * half[axis], power = Math.pow(10, Math.floor(Math.log10(rough)));
      const step = power * [1, 2, 5, 10].find(function (m) { return m * power >= rough; });
      const size = axis ? height : width, sign = axis ? -1 : 1, shift = axis ? view.y : view.x;
      const at = function (v) { return size / 2 + sign * s * ((v - middle[axis]) / half[axis] + shift); };
      const reach = size / 2 / s * half[axis];
      const center = middle[axis] - shift * half[axis];
      for (let v = Math.ceil((center - reach) / step) * step; v <= center + reach; v += step) {
        const words = String(+v.toPrecision(6)).replace("-", "−");
        if (!front) line(axis ? [0, at(v)] : [at(v), 0], axis ? [width, at(v)] : [at(v), height], "#e6e6e6");
        else if (axis) halo(words, 4, at(v) - 4, "left");
        else halo(words, at(v), height - 6);
      }
    }
    if (!front) return;
    pen.fillStyle = "#1b1b1b";
    halo(data.axes[0], width - 8, height - 22, "right");
    halo(data.axes[1], 8, 16, "left");
  }
  function draw() {
    if (!due) { due = true; requestAnimationFrame(frame); }
  }
  function frame() {
    due = false;
    if (turning) { view.yaw += 0.008; draw(); }
    paint();
  }
  function paint() {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "13px system-ui, sans-serif"; pen.fillStyle = "#1b1b1b"; pen.lineWidth = 1;
    if (deep) box(false); else grid(false);
    let near = -9, far = 9;
    for (let i = 0; i < n; i++) {
      const p = project(points[i]);
      place.set(p, 3 * i);
      near = Math.max(near, p[2]); far = Math.min(far, p[2]);
    }
    if (deep) order.sort(function (a, b) { return place[3 * a + 2] - place[3 * b + 2]; });
    const r = radius() + 2 / ratio, size = discs[0].width / ratio;
    for (const i of order) {
      if (!shown[data.labels[i]]) continue;
      pen.globalAlpha = deep ? 0.45 + 0.55 * (place[3 * i + 2] - far) / (near - far || 1) : 0.9;  // farther dots are paler
      pen.drawImage(discs[data.labels[i]], place[3 * i] - size / 2, place[3 * i + 1] - size / 2, size, size);
    }
    pen.globalAlpha = 1;
    if (deep) box(true); else grid(true);
    if (chosen >= 0) {
      pen.lineWidth = 2; pen.strokeStyle = "#000";
      pen.beginPath(); pen.arc(place[3 * chosen], place[3 * chosen + 1], r + 3, 0, 7); pen.stroke();
      move();
    }
    if (mean) ring(project(mean), 5, "#1b1b1b", 1.5);
    if (marker) mark(handle());
  }
  function ring(p, r, color, thick) {
    pen.beginPath(); pen.arc(p[0], p[1], r, 0, 7);
    pen.lineWidth = thick + 2.5; pen.strokeStyle = "#fff"; pen.stroke();
    pen.lineWidth = thick; pen.strokeStyle = color; pen.stroke();
  }
  function mark(p) {  // z: a ring with four ticks, so that it reads over dots of any colour
    ring(p, 10, "#d6006c", 3);
    pen.lineWidth = 3; pen.strokeStyle = "#d6006c";
    for (const d of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      line([p[0] + 10 * d[0], p[1] + 10 * d[1]], [p[0] + 17 * d[0], p[1] + 17 * d[1]], "#d6006c");
    }
    pen.lineWidth = 1;
  }
  function handle() {  // where the marker is drawn: a z outside the picture waits at its edge
    const p = project(marker), edge = 18;
    return [Math.max(edge, Math.min(width - edge, p[0])), Math.max(edge, Math.min(height - edge, p[1]))];
  }
  function onMarker(at) {
    const p = marker && handle();
    return Boolean(p && hooks.drag && Math.hypot(p[0] - at[0], p[1] - at[1]) < 24);
  }
  function drag(dx, dy) {  // in the plane of the screen: what is nearer or farther stays so
    const s = scale(), x = dx / s * half[0], y = -dy / s * half[1];
    if (!deep) { hooks.drag([x, y]); return; }
    const c = Math.cos(view.yaw), d = Math.sin(view.yaw), e = Math.cos(view.pitch), f = Math.sin(view.pitch);
    hooks.drag([x * c + y * d * f, -x * d + y * c * f, y * e]);
  }

  function nearest(x, y, reach) {
    let best = -1, least = reach * reach;
    for (const i of order) {  // of overlapping dots, the nearest to the eye comes last
      if (!shown[data.labels[i]]) continue;
      const dx = place[3 * i] - x, dy = place[3 * i + 1] - y, d = dx * dx + dy * dy;
      if (d <= least) { least = d; best = i; }
    }
    return best;
  }
  function show(i) {
    chosen = i;
    tip.hidden = i < 0;
    if (i >= 0) {
      const p = thumb.getContext("2d"), columns = data.columns;
      p.imageSmoothingEnabled = false;
      p.clearRect(0, 0, side, side);
      const x = (i % columns) * side, y = Math.floor(i / columns) * side;
      if (sprite.complete) p.drawImage(sprite, x, y, side, side, 0, 0, side, side);
      const numbers = codes[i].map(function (v, d) { return data.axes[d] + " " + v.toFixed(2); });
      tipText.textContent = data.names[data.labels[i]];
      if (said) said.textContent = data.names[data.labels[i]] + ": " + numbers.join(", ");
    } else if (said) { said.textContent = ""; }
    draw();
  }
  function move() {  // place the tip beside the dot, inside the frame
    const x = canvas.offsetLeft + place[3 * chosen], y = canvas.offsetTop + place[3 * chosen + 1];
    const w = tip.offsetWidth, h = tip.offsetHeight;
    const left = x + 14 + w > root.clientWidth ? x - 14 - w : x + 14;
    tip.style.left = Math.max(2, Math.min(left, root.clientWidth - w - 2)) + "px";
    tip.style.top = Math.max(2, Math.min(y - h / 2, root.clientHeight - h - 2)) + "px";
  }
  function step(by) {  // to the next visible image
    for (let k = 1, i = chosen < 0 && by < 0 ? 0 : chosen; k <= n; k++) {
      i = (i + by + n) % n;
      if (shown[data.labels[i]]) { show(i); return; }
    }
  }
  function turn(dx, dy) {
    if (deep) {
      view.yaw += dx * 0.01;
      view.pitch = Math.max(-1.57, Math.min(1.57, view.pitch + dy * 0.01));
    } else { view.x += dx / scale(); view.y -= dy / scale(); }
    draw();
  }
  function zoom(by) { view.zoom = Math.max(0.5, Math.min(40, view.zoom * by)); draw(); }
  function reset() { view = Object.assign({}, start); show(-1); }

  const fingers = new Map();
  let moved = 0, held = false;
  canvas.addEventListener("pointerdown", function (event) {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
    moved = 0;
    held = fingers.size === 1 && onMarker([event.offsetX, event.offsetY]);
    if (held) {
      const at = handle(), p = project(marker);
      show(-1);
      if (at[0] !== p[0] || at[1] !== p[1]) drag(at[0] - p[0], at[1] - p[1]);  // from the edge into the picture
    }
  });
  canvas.addEventListener("pointermove", function (event) {
    const before = fingers.get(event.pointerId), now = [event.offsetX, event.offsetY];
    if (!before) {
      canvas.style.cursor = onMarker(now) ? "move" : "";
      if (event.pointerType === "mouse") hover(now, 12);
      return;
    }
    if (held) drag(now[0] - before[0], now[1] - before[1]);
    else if (fingers.size === 1) turn(now[0] - before[0], now[1] - before[1]);
    if (fingers.size === 2) {
      const other = [...fingers.entries()].find(function (entry) { return entry[0] !== event.pointerId; })[1];
      const distance = function (a) { return Math.hypot(a[0] - other[0], a[1] - other[1]) || 1; };
      zoom(distance(now) / distance(before));
    }
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
  });
  function hover(at, reach) {
    const i = nearest(at[0], at[1], reach);
    if (i !== chosen) show(i);
  }
  function lift(event) {
    if (!fingers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && moved < 6 && !held) {
      hover([event.offsetX, event.offsetY], 22);
      if (hooks.pick && chosen >= 0) hooks.pick(chosen);
    }
    held = held && fingers.size > 0;
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", function (event) { if (event.pointerType === "mouse" && !fingers.size) show(-1); });
  canvas.addEventListener("wheel", function (event) {  // without focus, let the page scroll
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const keys = {
    ArrowLeft: function () { turn(-12, 0); }, ArrowRight: function () { turn(12, 0); },
    ArrowUp: function () { turn(0, -12); }, ArrowDown: function () { turn(0, 12); },
    "+": function () { zoom(1.2); }, "=": function () { zoom(1.2); }, "-": function () { zoom(1 / 1.2); },
    "0": reset, n: function () { step(1); }, p: function () { step(-1); }, Escape: function () { show(-1); }
  };
  canvas.addEventListener("keydown", function (event) {
    const far = scale() * 0.05, arrow = arrows[event.key];
    if (arrow && event.shiftKey && marker && hooks.drag) { event.preventDefault(); drag(far * arrow[0], far * arrow[1]); return; }
    const act = keys[event.key] || keys[event.key.toLowerCase()];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
  });
  root.querySelectorAll("button[data-label]").forEach(function (button) {
    button.addEventListener("click", function () {
      const label = +button.dataset.label;
      shown[label] = !shown[label];
      button.setAttribute("aria-pressed", shown[label]);
      if (chosen >= 0 && !shown[data.labels[chosen]]) show(-1);
      draw();
    });
  });
  const acts = {
    in: function () { zoom(1.3); }, out: function () { zoom(1 / 1.3); }, reset: reset, next: function () { step(1); },
    turn: function (button) { turning = !turning; button.textContent = turning ? "stop" : "rotate"; draw(); },
    all: function () {
      const on = !shown.every(Boolean);
      root.querySelectorAll("button[data-label]").forEach(function (button) {
        shown[+button.dataset.label] = on; button.setAttribute("aria-pressed", on);
      });
      show(-1);
    }
  };
  root.querySelectorAll("button[data-act]").forEach(function (button) {
    button.addEventListener("click", function () { acts[button.dataset.act](button); });
  });
  thumb.width = thumb.height = side;
  new ResizeObserver(resize).observe(root);
  resize();
  return {
    codes: function (now) { codes = now; points = now.map(boxed); draw(); },
    marker: function (code, of) { marker = code && boxed(code); mean = of ? boxed(of) : null; draw(); },
    place: handle,  // of the marker, in pixels of the canvas
    view: function () { return Object.assign({}, view); },
    corners: function () { const s = scale(); return [s * Math.sqrt(3), Math.min(width, height) / 2]; }
  };
};
