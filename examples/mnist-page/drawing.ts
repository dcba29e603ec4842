// The canvas to draw on, and its picture as MNIST has its digits: 20 pixels high or wide, centred by mass in 28 × 28.

const SIDE = 28;
const FITS = 20;

/** Lets the pointer draw on `canvas`; calls `changed` after every dot and every move of a stroke. */
export function drawOn(
  canvas: HTMLCanvasElement,
  changed: () => void,
): { clear(): void; pixels(): Float32Array | null } {
  const context = contextOf(canvas);
  const clear = (): void => {
    context.fillStyle = "black";
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();
  context.strokeStyle = "white";
  context.lineWidth = canvas.width / 13;
  context.lineCap = "round";
  context.lineJoin = "round";
  let last: { x: number; y: number } | null = null;
  const at = (event: PointerEvent): { x: number; y: number } => {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * canvas.width,
      y: ((event.clientY - box.top) / box.height) * canvas.height,
    };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    // A click is a dot.
    context.fillStyle = "white";
    context.beginPath();
    context.arc(last.x, last.y, context.lineWidth / 2, 0, 2 * Math.PI);
    context.fill();
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const next = at(event);
    context.beginPath();
    context.moveTo(last.x, last.y);
    context.lineTo(next.x, next.y);
    context.stroke();
    last = next;
    changed();
  });
  for (const end of ["pointerup", "pointercancel"] as const) {
    canvas.addEventListener(end, () => {
      last = null;
    });
  }
  return { clear, pixels: () => asDigit(canvas) };
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser's canvas cannot draw");
  return context;
}

/** Grey values 0 … 1 of 28 × 28 pixels; null where nothing is drawn. */
function asDigit(canvas: HTMLCanvasElement): Float32Array | null {
  const { width, height } = canvas;
  const grey = greys(contextOf(canvas), width, height);
  let [left, right, top, bottom] = [width, -1, height, -1];
  grey.forEach((value, i) => {
    if (value === 0) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  if (right < 0) return null;
  const [w, h] = [right - left + 1, bottom - top + 1];
  const scale = FITS / Math.max(w, h);
  const draw = (x: number, y: number): Float32Array => {
    const small = document.createElement("canvas");
    small.width = SIDE;
    small.height = SIDE;
    const context = contextOf(small);
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, left, top, w, h, x, y, w * scale, h * scale);
    return greys(context, SIDE, SIDE);
  };
  const corner = { x: (SIDE - w * scale) / 2, y: (SIDE - h * scale) / 2 };
  let [mass, sumX, sumY] = [0, 0, 0];
  draw(corner.x, corner.y).forEach((value, i) => {
    mass += value;
    sumX += value * ((i % SIDE) + 0.5);
    sumY += value * (Math.floor(i / SIDE) + 0.5);
  });
  return draw(
    corner.x + Math.round(SIDE / 2 - sumX / Math.max(mass, 1e-6)),
    corner.y + Math.round(SIDE / 2 - sumY / Math.max(mass, 1e-6)),
  );
}

function greys(context: CanvasRenderingContext2D, width: number, height: number): Float32Array {
  const { data } = context.getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height }, (_, i) => (data[4 * i] ?? 0) / 255);
}
