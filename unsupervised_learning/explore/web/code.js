self.play = self.play || {};

// The code of one image: for each dimension a small Gaussian (VAE) or the spread of the codes (autoencoder) above a slider.
(function (play) {
  "use strict";
  const HEIGHT = 46, EDGE = 9;  // half of a slider's thumb, in CSS pixels: the curve and the slider share one scale

  function shown(v) { return (v < 0 ? "−" : "") + Math.abs(v).toFixed(2); }
  play.number = shown;

  // `moved(d, value)` when a slider is dragged. Returns `show(code)`.
  play.dials = function (root, model, moved) {
    const dials = model.dimensions.map(function (d) {
      const dial = document.createElement("div"), canvas = document.createElement("canvas");
      const label = document.createElement("label"), text = document.createElement("span");
      const input = document.createElement("input");
      dial.className = "dial";
      input.type = "range"; input.step = "any";
      input.setAttribute("aria-label", "z" + (d + 1));
      label.append("z" + (d + 1), text);
      dial.append(label, canvas, input);
      root.append(dial);
      input.addEventListener("input", function () { moved(d, Number(input.value)); });
      // A slider without steps moves by too little with the arrow keys: a fiftieth of the range here.
      input.addEventListener("keydown", function (event) {
        const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 }[event.key];
        if (!by) return;
        event.preventDefault();
        const step = (Number(input.max) - Number(input.min)) / 50;
        input.value = Number(input.value) + by * step;
        moved(d, Number(input.value));
      });
      return { d: d, canvas: canvas, text: text, input: input, low: -1, high: 1, bins: [] };
    });

    // The range of each dimension, from the codes of the test images.
    function range(codes) {
      for (const dial of dials) {
        const values = codes.map(function (code) { return code[dial.d]; });
        const low = Math.min(...values), high = Math.max(...values), room = 0.08 * (high - low) || 0.5;
        dial.low = model.vae ? Math.min(-3.5, low - room) : low - room;
        dial.high = model.vae ? Math.max(3.5, high + room) : high + room;
        dial.input.min = dial.low; dial.input.max = dial.high;
      }
    }

    // For an autoencoder: how often the test images have each value, within the range.
    function count(codes) {
      for (const dial of dials) {
        dial.bins = new Array(40).fill(0);
        for (const code of codes) {
          const bin = Math.floor(40 * (code[dial.d] - dial.low) / (dial.high - dial.low));
          if (bin in dial.bins) dial.bins[bin]++;
        }
      }
    }

    function curve(pen, at, width, mean, sigma, fill, stroke, dashed) {
      const line = new Path2D();
      for (let x = 0; x <= width; x++) {
        const v = at.low + (x - EDGE) / (width - 2 * EDGE) * (at.high - at.low);
        const y = HEIGHT - 3 - (HEIGHT - 9) * Math.exp(-0.5 * Math.pow((v - mean) / Math.max(sigma, 1e-3), 2));
        line.lineTo(x, y);
      }
      if (fill) {
        const area = new Path2D(line);  // down to the baseline, also where the curve leaves the frame
        area.lineTo(width, HEIGHT - 3); area.lineTo(0, HEIGHT - 3);
        pen.fillStyle = fill; pen.fill(area);
      }
      pen.setLineDash(dashed ? [4, 3] : []);
      pen.strokeStyle = stroke; pen.stroke(line);
      pen.setLineDash([]);
    }

    let newest = null;
    new ResizeObserver(function () { if (newest) show(newest); }).observe(root);
    function show(code) {  // mu, sigma (null for an autoencoder), z
      newest = code;
      for (const dial of dials) {
        const d = dial.d, ratio = window.devicePixelRatio || 1, width = dial.canvas.clientWidth || 200;
        dial.canvas.width = width * ratio; dial.canvas.height = HEIGHT * ratio;
        const pen = dial.canvas.getContext("2d");
        pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        pen.lineWidth = 1.3;
        const x = function (v) { return EDGE + (v - dial.low) / (dial.high - dial.low) * (width - 2 * EDGE); };
        pen.fillStyle = "#e8eaf0"; pen.fillRect(0, HEIGHT - 3, width, 1);
        if (model.vae) {
          curve(pen, dial, width, 0, 1, "", "#9a9fb0", true);
          if (code.sigma) {
            const peak = x(code.mu[d]);
            curve(pen, dial, width, code.mu[d], code.sigma[d], "#2f62f033", "#2f62f0", false);
            if (code.sigma[d] * (width / (dial.high - dial.low)) < 1) {  // narrower than a pixel
              pen.beginPath(); pen.moveTo(peak, 6); pen.lineTo(peak, HEIGHT - 3); pen.stroke();
            }
          }
        } else {
          const most = Math.max(...dial.bins, 1), w = (width - 2 * EDGE) / 40;
          pen.fillStyle = "#2f62f033";
          dial.bins.forEach(function (count, i) {
            const h = (HEIGHT - 9) * count / most;
            pen.fillRect(EDGE + i * w, HEIGHT - 3 - h, w + 0.3, h);
          });
        }
        pen.fillStyle = "#d6006c";
        pen.fillRect(Math.max(0, Math.min(width - 2, x(code.z[d]) - 1)), 2, 2, HEIGHT - 4);
        dial.input.value = code.z[d];
        const z = shown(code.z[d]);
        const gaussian = model.vae ? " μ " + shown(code.mu[d]) + "  σ " + shown(code.sigma[d]) + "  z " : " ";
        dial.text.textContent = gaussian + z;
        dial.input.setAttribute("aria-valuetext", z);
      }
    }
    return { range: range, count: count, show: show };
  };

  // Horizontal bars with names and numbers: KL by dimension, or the variance of an autoencoder's codes.
  play.bars = function (root, names, values, most, marks) {
    root.replaceChildren(...values.map(function (v, i) {
      const row = document.createElement("div"), name = document.createElement("span");
      const bar = document.createElement("i"), text = document.createElement("span");
      row.className = "hbar";
      name.textContent = names[i];
      bar.style.setProperty("--share", Math.min(1, v / most));
      text.textContent = v.toFixed(2) + (marks[i] ? " " + marks[i] : "");
      row.append(name, bar, text);
      return row;
    }));
  };
})(self.play);
