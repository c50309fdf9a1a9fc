self.play = self.play || {};

// A GAN's generator in plain loops: a dense layer, then transposed convolutions of stride 2. Runs in a worker, or in the page.
(function (play) {
  "use strict";
  const activations = {
    relu: function (v) { return v > 0 ? v : 0; }, tanh: Math.tanh,
    sigmoid: function (v) { return 1 / (1 + Math.exp(-v)); }, linear: function (v) { return v; }
  };
  function dense(x, layer) {
    const out = Float32Array.from(layer.bias), m = layer.out;
    for (let i = 0; i < layer.in; i++) {
      const v = x[i], k = i * m;
      if (v !== 0) for (let j = 0; j < m; j++) out[j] += v * layer.kernel[k + j];
    }
    return out;
  }
  function deconv(x, layer) {  // [side, side, in] → [wide, wide, out]: each pixel adds its 5×5 patch
    const side = layer.side, wide = layer.wide, n = layer.in, m = layer.out, size = layer.size, kernel = layer.kernel;
    const out = new Float32Array(wide * wide * m);
    for (let p = 0; p < wide * wide; p++) out.set(layer.bias, p * m);
    for (let y = 0; y < side; y++) for (let a = 0; a < size; a++) {
      const row = 2 * y + a - layer.before;
      if (row < 0 || row >= wide) continue;
      for (let c = 0; c < side; c++) for (let b = 0; b < size; b++) {
        const column = 2 * c + b - layer.before;
        if (column < 0 || column >= wide) continue;
        const to = (row * wide + column) * m, from = (y * side + c) * n, at = (a * size + b) * n * m;
        for (let i = 0; i < n; i++) {
          const v = x[from + i];
          if (v === 0) continue;
          for (let j = 0, k = at + i * m; j < m; j++, k++) out[to + j] += v * kernel[k];
        }
      }
    }
    return out;
  }
  play.generator = function (data) {
    const weights = play.fromHalves(data.weights);
    let at = 0;
    function next(size) { at += size; return weights.subarray(at - size, at); }
    const layers = data.layers.map(function (layer) {
      const kernel = next((layer.kind === "dense" ? 1 : layer.size * layer.size) * layer.in * layer.out);
      return Object.assign({ kernel: kernel, bias: next(layer.out) }, layer);
    });
    return function (z) {  // [z_dim] in (−1, 1) → [side · side] in [0, 1]
      let h = z;
      for (const layer of layers) {
        h = layer.kind === "dense" ? dense(h, layer) : deconv(h, layer);
        const act = activations[layer.activation];
        for (let i = 0; i < h.length; i++) h[i] = act(h[i]);
      }
      const span = data.highest - data.lowest;
      return h.map(function (v) { return Math.min(1, Math.max(0, (v * data.factor - data.lowest) / span)); });
    };
  };
})(self.play);
