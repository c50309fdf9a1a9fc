self.play = self.play || {};

// Weights from base64, and the dense networks of an autoencoder or a VAE in plain loops.
(function (play) {
  "use strict";
  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  }
  play.floats = function (text) { return new Float32Array(bytes(text)); };

  let halves = null;
  play.half = function (bits) {  // float16 → number
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? Math.pow(2, exponent - 15) * (1 + fraction / 1024) : Math.pow(2, -24) * fraction);
  };
  play.fromHalves = function (text) {
    if (!halves) {
      halves = new Float32Array(65536);
      for (let i = 0; i < 65536; i++) halves[i] = play.half(i);
    }
    return Float32Array.from(new Uint16Array(bytes(text)), function (i) { return halves[i]; });
  };

  function sigmoid(v) { return 1 / (1 + Math.exp(-v)); }
  const activations = {
    relu: function (v) { return v > 0 ? v : 0; }, elu: function (v) { return v > 0 ? v : Math.expm1(v); },
    lrelu: function (v) { return v > 0 ? v : 0.2 * v; }, tanh: Math.tanh, sigmoid: sigmoid,
    linear: function (v) { return v; }
  };

  function dense(x, layer, activation) {  // x [n] → [m]; the kernel is [n, m], row by row
    const m = layer.bias.length, out = new Float64Array(m), kernel = layer.kernel;
    for (let j = 0; j < m; j++) out[j] = layer.bias[j];
    for (let i = 0; i < x.length; i++) {
      const v = x[i];
      if (v === 0) continue;  // most pixels
      for (let j = 0, k = i * m; j < m; j++, k++) out[j] += v * kernel[k];
    }
    const act = activations[activation];
    for (let j = 0; j < m; j++) out[j] = act(out[j]);
    return out;
  }

  // The layers of one set of weights: encoder, heads (of a VAE: mu and log_var), decoder.
  function layers(model, weights) {
    const all = [];
    let at = 0;
    for (let i = 0; i < model.shapes.length; i += 2) {
      const size = model.shapes[i][0] * model.shapes[i][1], width = model.shapes[i + 1][0];
      all.push({ kernel: weights.subarray(at, at + size), bias: weights.subarray(at + size, at + size + width) });
      at += size + width;
    }
    const a = model.activations.encoder.length, b = a + model.activations.heads.length;
    return { encoder: all.slice(0, a), heads: all.slice(a, b), decoder: all.slice(b) };
  }

  // The model through training: `at(k)` takes the weights of snapshot k, the last of which are the finished run's.
  play.network = function (model) {
    const steps = model.snapshots.map(function (one) { return one.iteration; }).concat([model.iterations]);
    const known = new Array(steps.length);
    let net = null, now = -1;
    function at(k) {
      const last = k === steps.length - 1;
      known[k] = known[k] || layers(model, last ? play.floats(model.weights) : play.fromHalves(model.snapshots[k].weights));
      net = known[k]; now = k;
    }
    at(steps.length - 1);
    return {
      steps: steps, at: at, now: function () { return now; },
      encode: function (x) {  // pixels [784] in [0, 1] → mu and log_var (null for an autoencoder)
        let h = x;
        net.encoder.forEach(function (layer, i) { h = dense(h, layer, model.activations.encoder[i]); });
        if (!model.vae) return { mu: h, logVar: null };
        return {
          mu: dense(h, net.heads[0], model.activations.heads[0]),
          logVar: dense(h, net.heads[1], model.activations.heads[1])
        };
      },
      decode: function (z) {  // → pixels [784]; an autoencoder's may leave [0, 1]
        let h = z;
        net.decoder.forEach(function (layer, i) { h = dense(h, layer, model.activations.decoder[i]); });
        return h;
      }
    };
  };

  play.kl = function (mu, logVar) {  // of each dimension to N(0, 1), nats
    return Array.from(mu, function (m, d) { return 0.5 * (m * m + Math.exp(logVar[d]) - 1 - logVar[d]); });
  };
  play.crossEntropy = function (x, p) {  // of pixels x and probabilities p, summed, nats
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      sum -= x[i] * Math.log(Math.max(p[i], 1e-30)) + (1 - x[i]) * Math.log(Math.max(1 - p[i], 1e-30));
    }
    return sum;
  };

  // The largest difference between this page's numbers and Keras's, embedded by Python.
  play.compare = function (model, network, images) {
    const check = model.check, codes = play.floats(check.codes), outputs = play.floats(check.outputs), d = model.z_dim;
    let most = 0;
    function differ(a, b) { most = Math.max(most, Number.isFinite(a) ? Math.abs(a - b) : Infinity); }
    for (let i = 0; i < check.count; i++) {
      const code = network.encode(images[i]);
      for (let k = 0; k < d; k++) {
        differ(code.mu[k], codes[i * d + k]);
        if (code.logVar) differ(code.logVar[k], codes[(check.count + i) * d + k]);
      }
      if (i >= check.decoded) continue;
      network.decode(codes.subarray(i * d, i * d + d)).forEach(function (v, j) { differ(v, outputs[i * 784 + j]); });
    }
    return most;
  };

  let spare = null;
  play.normal = function () {  // Box and Muller
    if (spare !== null) { const v = spare; spare = null; return v; }
    const r = Math.sqrt(-2 * Math.log(1 - Math.random())), a = 2 * Math.PI * Math.random();
    spare = r * Math.sin(a);
    return r * Math.cos(a);
  };
})(self.play);
