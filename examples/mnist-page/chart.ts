// The live chart: loss and accuracy over the epochs.
import { CategoryScale, Chart, Legend, LinearScale, LineController, LineElement, PointElement } from "chart.js";

Chart.register(CategoryScale, Legend, LinearScale, LineController, LineElement, PointElement);

export interface Curves {
  add(epoch: number, loss: number, accuracy: number): void;
  addTest(epoch: number, accuracy: number): void;
  /** Forgets what came after this many epochs. */
  cut(epoch: number): void;
}

export function curves(canvas: HTMLCanvasElement): Curves {
  const line = (label: string, color: string, axis: string, pointRadius = 0) => ({
    label,
    data: [] as { x: number; y: number }[],
    borderColor: color,
    backgroundColor: color,
    yAxisID: axis,
    borderWidth: 2,
    pointRadius,
  });
  const loss = line("loss", "#c2410c", "loss");
  const accuracy = line("accuracy in training (%)", "#1d4ed8", "accuracy");
  const tested = line("accuracy on test images (%)", "#15803d", "accuracy", 4);
  const chart = new Chart(canvas, {
    type: "line",
    data: { datasets: [loss, accuracy, tested] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      scales: {
        x: { type: "linear", min: 0, title: { display: true, text: "epoch" } },
        loss: { position: "left", min: 0, title: { display: true, text: "loss" } },
        accuracy: { position: "right", max: 100, title: { display: true, text: "accuracy (%)" } },
      },
    },
  });
  // One drawing per frame at most, however many points come.
  let asked = false;
  const draw = (): void => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      chart.update("none");
    });
  };
  return {
    add(epoch, lossValue, part) {
      loss.data.push({ x: epoch, y: lossValue });
      accuracy.data.push({ x: epoch, y: 100 * part });
      draw();
    },
    addTest(epoch, part) {
      tested.data.push({ x: epoch, y: 100 * part });
      draw();
    },
    cut(epoch) {
      for (const line of [loss, accuracy, tested]) line.data = line.data.filter(({ x }) => x <= epoch);
      draw();
    },
  };
}
