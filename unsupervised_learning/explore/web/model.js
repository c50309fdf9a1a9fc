self.play = self.play || {};

// One model's column: its code, its picture, its codes of the test images, its numbers.
(function (play) {
  "use strict";
  const NEAR = 6, DEAD = 0.01;  // nats; a dimension below carries next to nothing

  // `data`: the page's JSON; `images`: the test images; `shared`: epsilon, the factor of sigma, `pick(i)`; `ten`: indices.
  // `beside`: a canvas for the picture beside the drawing.
  play.column = function (root, model, data, images, shared, ten, beside) {
    const part = function (name) { return root.querySelector("[data-" + name + "]"); };
    const network = play.network(model), d = model.z_dim;
    let input = null, hand = null, code = null, codes = [], kl = null, scatter = null, most = 0;
    function described(canvas, words) { canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", words); }
    function once(hint) {  // a hint that a column on the left does not give yet: "" or true
      const first = !shared.told.has(hint);
      shared.told.add(hint);
      return first || "";
    }
    part("name").textContent = model.name;
    part("form").textContent = model.form + ", " + model.iterations.toLocaleString("en") + " iterations";
    part("codehint").textContent = model.vae
      ? once("vae") && "Blue: this image's Gaussian. Dashed: the prior N(0, 1). Pink: z; in the plot, the black ring is μ. " +
        "Drag a slider: does the picture change? If not, the decoder ignores that number."
      : once("ae") && "One number each, no noise. Shaded: how often test digits have it. Drag a slider into an empty region: " +
        "nothing taught the decoder what to draw there.";
    part("wherehint").textContent = once("where") && "Pink: z; drag it anywhere, also between the clusters (keys: Shift and " +
      "arrows). Drag beside it to " + (d >= 3 ? "turn" : "move") + ". Click a dot to take that digit.";
    root.querySelector(".plot").setAttribute("aria-label", "Codes of " + images.length.toLocaleString("en") +
      " test images in " + model.name + "; arrow keys turn or move, plus and minus zoom, Shift and arrows move z");
    const some = model.dimensions.length < d ? " (" + model.dimensions.length + " of " + d + ", the strongest)" : "";
    if (some) part("codename").textContent = "Its code" + some;
    part("barsname").textContent = (model.vae ? "KL of each dimension, nats" : "Variance of each dimension") + some;

    const labels = [...new Set(data.labels)].sort(), labelled = labels.length > 1;
    if (once("legend")) {
      part("legend").replaceChildren(...labels.map(function (label) {
        const one = document.createElement("span"), dot = document.createElement("i");
        dot.style.background = data.colors[label];
        one.append(dot, data.names[label].split(" ").pop());
        return one;
      }));
    }

    // The scatter's axes: the code itself, or three principal directions of it.
    const flat = d === 1, height = labels.reduce(function (a, b) { return a + b; }, 0) / labels.length;
    function seen(z) {
      if (flat) return [z[0], height];
      if (!model.projection) return Array.from(z);
      return model.projection.directions.map(function (one) {
        return one.reduce(function (sum, v, k) { return sum + v * (z[k] - model.projection.mean[k]); }, 0);
      });
    }
    function moved(move) {  // a move in the scatter → a move of z
      if (flat) return [move[0]];
      if (!model.projection) return move;
      return Array.from({ length: d }, function (_, k) {
        return model.projection.directions.reduce(function (sum, one, a) { return sum + one[k] * move[a]; }, 0);
      });
    }
    const jitter = images.map(function () { return 0.7 * (Math.random() - 0.5); });
    function dots() {
      return codes.map(function (one, i) { return flat ? [one.mu[0], data.labels[i] + jitter[i]] : seen(one.mu); });
    }
    const axes = flat ? ["z1", "label"]
      : model.projection ? ["PC 1", "PC 2", "PC 3"] : Array.from({ length: d }, function (_, k) { return "z" + (k + 1); });

    const dials = play.dials(part("dials"), model, function (k, value) {
      free();
      hand[k] = value;
      decode();
    });
    function free() { if (!hand) hand = Array.from(code.z); part("near").dataset.z = "hand"; }
    const back = root.querySelector("[data-do=back]");
    back.addEventListener("click", function () { hand = null; encode(input); });

    const nearest = Array.from({ length: NEAR }, function () {
      const figure = document.createElement("figure"), canvas = document.createElement("canvas");
      const caption = document.createElement("figcaption");
      canvas.className = "digit";
      figure.append(canvas, caption);
      part("near").append(figure);
      return { canvas: canvas, caption: caption };
    });
    const pairs = ten.map(function (i) {
      const pair = document.createElement("div"), above = document.createElement("canvas"), below = document.createElement("canvas");
      above.className = below.className = "digit";
      described(above, "test image " + (i + 1) + ", " + data.names[data.labels[i]]);
      described(below, "its reconstruction");
      play.paint(above, images[i]);
      pair.append(above, below);
      part("pairs").append(pair);
      return below;
    });

    function encode(image) {  // a new drawing, or other weights: z follows it, unless it was dragged
      input = image;
      code = network.encode(image);
      code.sigma = code.logVar && Array.from(code.logVar, function (v) { return Math.exp(v / 2); });
      decode();
    }
    function decode() {
      const factor = shared.factor;
      code.z = hand || Array.from(code.mu, function (m, k) {
        return code.sigma ? m + factor * code.sigma[k] * shared.epsilon[k] : m;
      });
      const picture = network.decode(code.z);
      for (const canvas of [part("out"), part("inset"), beside]) play.paint(canvas, picture);
      const widened = code.sigma && code.sigma.map(function (s) { return s * factor; });
      dials.show({ mu: code.mu, sigma: widened, z: code.z });
      back.disabled = !hand;
      part("numbers").replaceChildren(...numbers(picture));
      if (scatter) scatter.marker(seen(code.z), model.vae ? seen(code.mu) : null);
      const order = codes.map(function (one, i) {
        let sum = 0;
        for (let k = 0; k < d; k++) sum += Math.pow(one.mu[k] - code.z[k], 2);
        return [sum, i];
      }).sort(function (a, b) { return a[0] - b[0]; });
      nearest.forEach(function (one, k) {
        if (!order[k]) return;
        play.paint(one.canvas, images[order[k][1]]);
        described(one.canvas, data.names[data.labels[order[k][1]]]);
        if (labelled) one.caption.textContent = data.labels[order[k][1]];
      });
    }
    function numbers(picture) {  // how well this image comes back
      function row(name, value) {
        const line = document.createElement("span"), strong = document.createElement("b");
        strong.textContent = value;
        line.append(name + " ", strong);
        return line;
      }
      if (hand) return [row("z set by hand", "")];
      if (!model.vae) {
        let sum = 0;
        picture.forEach(function (v, i) { sum += Math.pow(v - input[i], 2) / 784; });
        return [row("MSE", sum.toFixed(4))];
      }
      const one = play.crossEntropy(input, picture);
      const two = play.kl(code.mu, code.logVar).reduce(function (a, b) { return a + b; }, 0);
      const kept = shared.factor === 1 ? "" : " (σ × 1)";  // the slider changes z, not what the encoder says
      return [row("reconstruction", one.toFixed(1)), row("+ KL" + kept, two.toFixed(1)),
        row("= −ELBO, nats", (one + two).toFixed(1))];
    }

    // All test images through the present weights.
    function survey(k) {
      network.at(k);
      codes = images.map(network.encode);
      const axis = Array.from({ length: d }, function (_, a) { return a; });
      const shownOf = function (values) { return model.dimensions.map(function (a) { return values[a]; }); };
      if (model.vae) {
        const of = codes.map(function (one) { return play.kl(one.mu, one.logVar); });
        kl = axis.map(function (a) { return of.reduce(function (sum, one) { return sum + one[a]; }, 0) / of.length; });
      } else {
        kl = axis.map(function (a) {
          const mean = codes.reduce(function (sum, one) { return sum + one.mu[a]; }, 0) / codes.length;
          return codes.reduce(function (sum, one) { return sum + Math.pow(one.mu[a] - mean, 2); }, 0) / codes.length;
        });
      }
      most = Math.max(most, ...kl, 1e-9);
      const stuck = function (a) {
        return model.vae && codes.every(function (one) { return one.logVar[a] === codes[0].logVar[a]; });
      };
      const marks = model.dimensions.map(function (a) {
        if (model.vae && kl[a] < DEAD) return "· dead";
        return stuck(a) ? "· σ stuck at " + Math.exp(codes[0].logVar[a] / 2).toFixed(0) : "";
      });
      play.bars(part("bars"), model.dimensions.map(function (a) { return "z" + (a + 1); }), shownOf(kl), most, marks);
      part("barssum").textContent = summed();
      if (!scatter) {
        // The frame is that of the trained model, which is surveyed first.
        scatter = play.scatter(root.querySelector(".scatter"), {
          codes: dots(), labels: data.labels, names: data.names, colors: data.colors, axes: axes, side: data.side,
          columns: data.columns, sprite: data.sprite, shape: shared.shape, lowest: 240
        }, {
          drag: function (move) {
            free();
            moved(move).forEach(function (v, a) { hand[a] += v; });
            decode();
          },
          pick: shared.pick
        });
        dials.range(codes.map(function (one) { return one.mu; }));
      } else { scatter.codes(dots()); }
      dials.count(codes.map(function (one) { return one.mu; }));
      ten.forEach(function (i, place) { play.paint(pairs[place], network.decode(codes[i].mu)); });
      if (input) encode(input);
    }
    function summed() {
      if (!model.vae) return "";
      const sum = kl.reduce(function (a, b) { return a + b; }, 0);
      let text = (some ? "All " + d : "Together") + " " + sum.toFixed(2) + ", over " + codes.length.toLocaleString("en") + " test images.";
      if (model.relu_heads) {
        text += " 2016's first run logged −½ Σ (3 + log σ² − μ² − σ²), with a 3 in place of the 1: a nat less for each " +
          "dimension, here " + play.number(sum - d) + ". So a KL near 0 was logged as negative.";
      }
      return text;
    }
    survey(network.steps.length - 1);
    return {
      model: model, network: network, survey: survey,
      encode: function (image) { hand = null; encode(image); },
      free: function () { hand = null; if (input) encode(input); },
      state: function () { return { z: code && Array.from(code.z), hand: Boolean(hand), kl: kl }; },
      scatter: scatter
    };
  };
})(self.play);
