self.play = self.play || {};

// The whole part: the desk with pad, test digits and noise; a column for each model; the slider through training.
(function (play) {
  "use strict";
  const TOLERANCE = 1e-3;  // between this page's arithmetic and Keras's

  function unpacked(data, sprite) {  // the test images, [count][784] in [0, 1]
    const canvas = document.createElement("canvas"), side = data.side;
    canvas.width = sprite.width; canvas.height = sprite.height;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(sprite, 0, 0);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    return Array.from({ length: data.count }, function (_, i) {
      const left = (i % data.columns) * side, top = Math.floor(i / data.columns) * side, image = new Float32Array(side * side);
      for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
        image[y * side + x] = pixels[4 * ((top + y) * canvas.width + left + x)] / 255;
      }
      return image;
    });
  }

  play.start = function (root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const sprite = new Image();
    sprite.onload = function () { begin(root, data, unpacked(data, sprite)); };
    sprite.src = data.sprite;
  };

  function begin(root, data, images) {
    const part = function (name) { return root.querySelector("[data-" + name + "]"); };
    const button = function (name) { return root.querySelector("[data-do=" + name + "]"); };
    const kinds = [...new Set(data.labels)].sort();
    let skipped = 0;
    function tenFrom(k) {  // the k-th test image of each label, or the k-th ten images if they have no labels
      if (kinds.length < 2) return images.slice(0, 10).map(function (_, i) { return (10 * k + i) % images.length; });
      return kinds.map(function (label) {
        const all = data.labels.map(function (v, i) { return v === label ? i : -1; }).filter(function (i) { return i >= 0; });
        return all[k % all.length];
      });
    }
    const longest = Math.max(...data.models.map(function (model) { return model.z_dim; }));
    const shared = {  // `told`: hints that a column on the left already gives
      told: new Set(), epsilon: Array.from({ length: longest }, play.normal), factor: 1, pick: take,
      shape: data.models.length > 1 ? 0.95 : 0.85
    };
    const columns = data.models.map(function (model) {
      const article = root.querySelector("template").content.firstElementChild.cloneNode(true);
      part("models").append(article);
      const figure = document.createElement("figure"), beside = document.createElement("canvas");
      const caption = document.createElement("figcaption");
      beside.className = "digit";
      beside.setAttribute("role", "img");
      beside.setAttribute("aria-label", "what comes back from " + model.name);
      caption.textContent = data.models.length > 1 ? model.name.replaceAll("_", "_\u200b") : "what comes back";
      figure.append(beside, caption);
      part("seenrow").append(figure);
      return play.column(article, model, data, images, shared, tenFrom(0), beside);
    });

    // The input: a drawing or a test image.
    const pad = play.pad(root.querySelector(".pad"), function (image) { enter(image); say(""); });
    function enter(image) {
      play.paint(part("seen"), image);
      columns.forEach(function (column) { column.encode(image); });
    }
    function say(words) { part("said").textContent = words; }
    function take(i) {
      pad.show(images[i]);
      enter(images[i]);
      say("Test image " + (i + 1) + ": " + data.names[data.labels[i]] + ".");
    }
    function thumbs() {
      part("tests").replaceChildren(...tenFrom(skipped).map(function (i) {
        const one = document.createElement("button"), canvas = document.createElement("canvas");
        one.type = "button";
        one.setAttribute("aria-label", "test image " + (i + 1) + ", " + data.names[data.labels[i]]);
        canvas.className = "digit";
        play.paint(canvas, images[i]);
        one.append(canvas);
        one.addEventListener("click", function () { take(i); });
        return one;
      }));
    }
    thumbs();
    button("more").addEventListener("click", function () { skipped++; thumbs(); });
    button("clear").addEventListener("click", blank);
    button("undo").addEventListener("click", function () { if (pad.undo()) blank(); });
    function blank() {  // nothing drawn: a black image goes in
      pad.clear();
      enter(new Float32Array(784));
      say("Nothing is drawn: below is what the model makes of a black image. Draw a digit.");
    }

    // The noise of the VAEs.
    part("noise").hidden = !data.models.some(function (model) { return model.vae; });
    button("epsilon").addEventListener("click", function () {
      shared.epsilon = shared.epsilon.map(play.normal);
      columns.forEach(function (column) { column.free(); });
    });
    part("sigma").addEventListener("input", function () {
      shared.factor = Number(part("sigma").value);
      part("factor").textContent = shared.factor.toFixed(2);
      columns.forEach(function (column) { column.free(); });
    });

    // Training: the slider's place is a share of each model's own snapshots.
    const steps = Math.max(...columns.map(function (column) { return column.network.steps.length; }));
    const slider = part("snapshot");
    part("time").hidden = steps < 2;
    slider.max = steps - 1; slider.value = steps - 1;
    function at(place) {
      const said = columns.map(function (column) {
        const own = column.network.steps, k = Math.round(place / Math.max(steps - 1, 1) * (own.length - 1));
        if (k !== column.network.now()) column.survey(k);
        return own.length > 1 ? own[k].toLocaleString("en") : "";
      }).filter(Boolean);
      part("iteration").textContent = "iteration " + [...new Set(said)].join(" | ");
      slider.setAttribute("aria-valuetext", part("iteration").textContent);
    }
    slider.addEventListener("input", function () { stop(); at(Number(slider.value)); });
    let timer = 0;
    function stop() {
      clearInterval(timer);
      timer = 0;
      button("run").textContent = "▶ run";
      button("run").setAttribute("aria-pressed", "false");
    }
    button("run").addEventListener("click", function () {
      if (timer) { stop(); return; }
      button("run").textContent = "■ stop"; button("run").setAttribute("aria-pressed", "true");
      if (Number(slider.value) >= steps - 1) { slider.value = 0; at(0); }
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      timer = setInterval(function () {
        slider.value = Number(slider.value) + 1;
        at(Number(slider.value));
        if (Number(slider.value) >= steps - 1) stop();
      }, calm ? 2000 : 600);
    });
    const without = columns.filter(function (column) { return column.network.steps.length < 2; })
      .map(function (column) { return column.model.name; });
    part("watch").textContent = (data.models.some(function (model) { return model.relu_heads; })
      ? "Watch the KL of each dimension: in this first form a relu cuts off μ and log σ². One that is zero for every digit " +
        "is dead: its own weights get no gradient, and it seldom comes back. "
      : data.models.some(function (model) { return model.vae; })
        ? "Watch the dimensions come into use one after the other, and the Gaussians become narrow. "
        : "Watch the codes spread and the clusters come apart. ") +
      "All weights but the finished run's are rounded to 16 bits here." +
      (without.length ? " Without snapshots: " + without.join(", ") + "." : "");
    if (steps > 1) at(steps - 1);
    else part("watch").textContent = "Not here: this page has no snapshots of the weights. A run that you train keeps some sixteen, " +
      "and then a slider shows codes, pictures and the KL through its training.";

    // Does this page compute what Keras computes?
    const differences = columns.map(function (column) { return play.compare(column.model, column.network, images); });
    const off = Math.max(...differences), checked = data.models[0].check.count;
    const words = "Compared with Keras on " + checked + " test images: codes and pictures differ by at most " +
      off.toExponential(1) + ".";
    part("check").textContent = words;
    if (!(off <= TOLERANCE)) {
      part("warn").textContent = words + " That is too much: do not trust what this part shows in this browser.";
      part("warn").hidden = false;
    }
    take(tenFrom(0)[Math.min(7, kinds.length - 1)]);
    play.page = { columns: columns, images: images, pad: pad, take: take, off: off, shared: shared };
  }
})(self.play);
