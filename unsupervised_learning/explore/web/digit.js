self.play = self.play || {};

// Digits: the pad to draw on, the preparation of MNIST, pictures on small canvases.
(function (play) {
  "use strict";
  const SIDE = 28, BOX = 20, FINE = 8, PEN = 2.5;  // the pen's width in pixels of the 20×20 box: that of MNIST's strokes
  // The middle of mass in MNIST's images, measured: pixel 14 counted from 0, so 14.5 pixels from the edge.
  const CENTRE = SIDE / 2 + 0.5;

  const fine = document.createElement("canvas");
  fine.width = fine.height = SIDE * FINE;
  const finePen = fine.getContext("2d", { willReadFrequently: true });

  function rendered(strokes, scale, dx, dy) {  // strokes in any unit → [784] in [0, 1]
    finePen.setTransform(1, 0, 0, 1, 0, 0);
    finePen.fillStyle = "#000"; finePen.fillRect(0, 0, fine.width, fine.height);
    finePen.strokeStyle = "#fff"; finePen.lineCap = finePen.lineJoin = "round"; finePen.lineWidth = PEN * FINE;
    for (const stroke of strokes) {
      finePen.beginPath();
      stroke.forEach(function (p, i) {
        const x = (p[0] * scale + dx) * FINE, y = (p[1] * scale + dy) * FINE;
        if (i) finePen.lineTo(x, y); else finePen.moveTo(x, y);
      });
      if (stroke.length === 1) finePen.lineTo((stroke[0][0] * scale + dx) * FINE + 0.1, (stroke[0][1] * scale + dy) * FINE);
      finePen.stroke();
    }
    const pixels = finePen.getImageData(0, 0, fine.width, fine.height).data, out = new Float32Array(SIDE * SIDE);
    for (let y = 0; y < fine.height; y++) for (let x = 0; x < fine.width; x++) {
      out[Math.floor(y / FINE) * SIDE + Math.floor(x / FINE)] += pixels[4 * (y * fine.width + x)];
    }
    return out.map(function (v) { return v / (255 * FINE * FINE); });
  }
  play.middle = function (image) {  // the centre of mass, in pixels from the left and upper edge
    let sum = 0, x = 0, y = 0;
    image.forEach(function (v, i) { sum += v; x += v * (i % SIDE + 0.5); y += v * (Math.floor(i / SIDE) + 0.5); });
    return sum ? [x / sum, y / sum] : [CENTRE, CENTRE];
  };
  // As MNIST's digits were made: scaled to fit a box of 20×20, then moved until the centre of mass is the image's centre.
  play.boxed = function (strokes) {
    const all = strokes.flat();
    if (!all.length) return new Float32Array(SIDE * SIDE);
    const low = [0, 1].map(function (d) { return Math.min(...all.map(function (p) { return p[d]; })); });
    const high = [0, 1].map(function (d) { return Math.max(...all.map(function (p) { return p[d]; })); });
    const size = Math.max(high[0] - low[0], high[1] - low[1], 0.05);  // a dot stays one
    const scale = (BOX - PEN) / size;
    const shift = [0, 1].map(function (d) { return SIDE / 2 - scale * (low[d] + high[d]) / 2; });
    const middle = play.middle(rendered(strokes, scale, shift[0], shift[1]));
    return rendered(strokes, scale, shift[0] + CENTRE - middle[0], shift[1] + CENTRE - middle[1]);
  };

  play.paint = function (canvas, image) {  // [784] onto a canvas of 28×28
    if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE;
    const pen = canvas.getContext("2d"), data = pen.createImageData(SIDE, SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) {
      const v = Math.round(255 * Math.min(Math.max(image[i], 0), 1));
      data.data.set([v, v, v, 255], 4 * i);
    }
    pen.putImageData(data, 0, 0);
  };

  // The pad. `changed(image)` while one draws.
  play.pad = function (canvas, changed) {
    const pen = canvas.getContext("2d");
    let strokes = [], current = null, pointer = null, waiting = false, shown = null;  // `pointer` draws; others are ignored
    function size() {
      const width = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)) || 280;
      if (canvas.width !== width) { canvas.width = canvas.height = width; }
      draw();
    }
    function draw() {
      const w = canvas.width;
      pen.fillStyle = "#000"; pen.fillRect(0, 0, w, w);
      if (shown) { pen.imageSmoothingEnabled = true; pen.drawImage(shown, 0, 0, w, w); }
      pen.strokeStyle = "#fff"; pen.lineCap = pen.lineJoin = "round"; pen.lineWidth = w * 0.075;
      for (const stroke of strokes) {
        pen.beginPath();
        stroke.forEach(function (p, i) { if (i) pen.lineTo(p[0] * w, p[1] * w); else pen.moveTo(p[0] * w, p[1] * w); });
        if (stroke.length === 1) pen.lineTo(stroke[0][0] * w + 0.1, stroke[0][1] * w);
        pen.stroke();
      }
    }
    function tell() {  // once a frame
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(function () { waiting = false; draw(); if (strokes.length) changed(play.boxed(strokes)); });
    }
    function point(event) {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    }
    canvas.addEventListener("pointerdown", function (event) {
      if (event.button || (current && event.pointerId !== pointer)) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      pointer = event.pointerId;
      current = [point(event)];
      shown = null;
      strokes.push(current);
      tell();
    });
    canvas.addEventListener("pointermove", function (event) {
      if (!current || event.pointerId !== pointer) return;
      const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of all.length ? all : [event]) current.push(point(one));
      tell();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(end, function (event) { if (event.pointerId === pointer) current = null; });
    }
    new ResizeObserver(size).observe(canvas);
    size();
    return {
      clear: function () { strokes = []; current = shown = null; draw(); },
      undo: function () {  // a test image has no strokes to undo
        if (!strokes.length) return false;
        strokes.pop();
        current = null;
        tell();
        return !strokes.length;
      },
      show: function (image) {  // a test image in place of a drawing
        strokes = [];
        current = null;
        shown = document.createElement("canvas");
        play.paint(shown, image);
        draw();
      },
      strokes: function (given) { strokes = given; shown = null; draw(); changed(play.boxed(strokes)); }
    };
  };
})(self.play);
