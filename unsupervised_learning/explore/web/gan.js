self.play = self.play || {};

// The part to play with of a GAN: sliders and walks of z; the generator answers from a worker.
(function (play) {
  "use strict";
  const STEPS = 9, TOLERANCE = 0.02;  // of pixels in [0, 1]; the weights are rounded to 16 bits

  // Generates images one after the other. A later request to the same place replaces one that waits.
  function queue(data) {
    const waiting = new Map();
    let began = 0, busy = null, worker = null, local = null;
    function done(image) {
      const then = busy.then;
      busy = null;
      then(image, performance.now() - began);
      next();
    }
    function next() {
      if (busy || !waiting.size) return;
      const place = waiting.has("out") ? "out" : waiting.keys().next().value, job = waiting.get(place);
      waiting.delete(place);
      busy = job;
      began = performance.now();
      if (worker) worker.postMessage(job.z);
      else setTimeout(function () { local = local || play.generator(data); done(local(job.z)); }, 0);
    }
    try {
      const source = data.worker + "\nlet make = null; onmessage = function (event) {" +
        " if (!make) { make = self.play.generator(event.data); return; } postMessage(make(event.data)); };";
      worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      const { weights, layers, lowest, highest, factor } = data;
      worker.postMessage({ weights, layers, lowest, highest, factor });
      worker.onmessage = function (event) { done(event.data); };
      worker.onerror = function () {  // the page computes itself, beginning with what the worker had not answered
        if (!worker) return;
        worker.terminate();
        worker = null;
        if (busy && !waiting.has(busy.place)) waiting.set(busy.place, busy);
        busy = null;
        next();
      };
    } catch (error) { worker = null; }  // a browser without workers for files: the page computes itself
    return {
      ask: function (place, z, then) { waiting.set(place, { place: place, z: Float32Array.from(z), then: then }); next(); },
      idle: function () { return !busy && !waiting.size; }
    };
  }

  function between(a, b, t, arc) {
    const norm = function (v) { return Math.hypot(...v) || 1e-9; };
    let u = 1 - t, w = t;
    if (arc && a.length > 1) {
      const cosine = a.reduce(function (sum, v, i) { return sum + v * b[i]; }, 0) / (norm(a) * norm(b));
      const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
      if (angle > 1e-4) {
        // The direction turns evenly, and the length changes evenly from one to the other.
        const length = (1 - t) * norm(a) + t * norm(b);
        u = Math.sin((1 - t) * angle) / Math.sin(angle) * length / norm(a);
        w = Math.sin(t * angle) / Math.sin(angle) * length / norm(b);
      }
    }
    return a.map(function (v, i) { return u * v + w * b[i]; });
  }
  play.between = between;

  play.startGan = function (root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const part = function (name) { return root.querySelector("[data-" + name + "]"); };
    const button = function (name) { return root.querySelector("[data-do=" + name + "]"); };
    const draw = function () { return Array.from({ length: data.z_dim }, function () { return 2 * Math.random() - 1; }); };
    const generator = queue(data);
    let z = draw(), end = draw(), arc = true;

    function show(now) {
      generator.ask("out", now, function (image, took) {
        play.paint(part("out"), image);
        part("speed").textContent = "Computed in this page, in " + Math.round(took) + " ms.";
      });
    }
    const dials = data.dimensions.map(function (d) {
      const dial = document.createElement("div"), label = document.createElement("label"), text = document.createElement("span");
      const input = document.createElement("input");
      dial.className = "dial";
      input.type = "range"; input.min = -1; input.max = 1; input.step = 0.02;
      label.append("z" + (d + 1), text, input);
      dial.append(label);
      part("dials").append(dial);
      input.addEventListener("input", function () { z[d] = Number(input.value); set(); strip(); });
      return { d: d, input: input, text: text };
    });
    function set() {  // the sliders and the picture of the present z
      for (const dial of dials) {
        dial.input.value = z[dial.d];
        dial.text.textContent = " " + (z[dial.d] < 0 ? "−" : "") + Math.abs(z[dial.d]).toFixed(2);
      }
      part("walk").value = 0;
      show(z);
    }
    const tiles = Array.from({ length: STEPS }, function () {
      const canvas = document.createElement("canvas");
      canvas.className = "digit";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "an image on the walk");
      part("strip").append(canvas);
      return canvas;
    });
    function strip() {
      tiles.forEach(function (canvas, i) {
        generator.ask(i, between(z, end, i / (STEPS - 1), arc), function (image) { play.paint(canvas, image); });
      });
    }
    function walk() { show(between(z, end, Number(part("walk").value), arc)); }
    function both() { set(); strip(); }
    button("new").addEventListener("click", function () { z = draw(); both(); });
    button("target").addEventListener("click", function () { end = draw(); strip(); walk(); });
    button("arc").addEventListener("click", function () {
      arc = !arc;
      button("arc").setAttribute("aria-pressed", arc);
      strip();
      walk();
    });
    part("walk").addEventListener("input", walk);

    const frame = part("frame");
    part("time").hidden = !data.frames.length;
    if (data.frames.length) {
      frame.max = data.frames.length - 1;
      frame.value = frame.max;
      const turn = function () {
        const one = data.frames[Number(frame.value)];
        part("picture").src = one.picture;
        part("iteration").textContent = "iteration " + one.iteration.toLocaleString("en");
        frame.setAttribute("aria-valuetext", part("iteration").textContent);
      };
      frame.addEventListener("input", turn);
      turn();
    }

    // Does this page generate what Keras generates?
    const given = play.floats(data.check.z), wanted = play.floats(data.check.images), size = data.side * data.side;
    let off = 0, checked = 0;
    for (let i = 0; i < data.check.count; i++) {
      generator.ask("check" + i, given.subarray(i * data.z_dim, (i + 1) * data.z_dim), function (image) {
        for (let k = 0; k < size; k++) {
          const one = Math.abs(image[k] - wanted[i * size + k]);
          off = Math.max(off, Number.isFinite(one) ? one : Infinity);
        }
        if (++checked < data.check.count) return;
        const words = "Compared with Keras on " + checked + " images: pixels differ by at most " + off.toExponential(1) +
          ", because the weights here have 16 bits.";
        part("check").textContent = words;
        if (!(off <= TOLERANCE)) {
          part("warn").textContent = words + " That is too much: do not trust what this part shows in this browser.";
          part("warn").hidden = false;
        }
        play.page.off = off;
      });
    }
    play.page = {
      z: function () { return z.slice(); }, idle: generator.idle,
      generate: function (one, then) { generator.ask("test", one, then); }
    };
    both();
  };
})(self.play);
