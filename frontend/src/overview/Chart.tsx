import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { BucketInfo, SeriesInfo } from "../api/schema";
import { clock } from "../format";
import { useTheme } from "../shell/theme";

/** One line, or layer of bars. */
export interface Line {
  name: string;
  /** A variable of the style sheet. */
  colour: string;
  of: (bucket: BucketInfo) => number | null;
  text: (value: number) => string;
}

const HEIGHT_PX = 150;
const SYNC = "overview";

/** How a number went over time. What the pointer is on is said in words above it. */
export function Chart({
  series,
  title,
  lines,
  axis,
  steps,
  stacked = false,
  most = 0,
  hovered,
  hover,
}: {
  series: SeriesInfo;
  title: string;
  lines: readonly Line[];
  axis: (value: number) => string;
  /** How far the lines of its grid may be apart; else what is round in tens. */
  steps?: number[];
  stacked?: boolean;
  /** The axis reaches to this at least. */
  most?: number;
  hovered: number | null;
  hover: (index: number | null) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const { dark } = useTheme();
  const columns = data(series, lines, stacked);
  const latest = useRef({ columns, lines, axis, steps, hover, stacked, most });
  latest.current = { columns, lines, axis, steps, hover, stacked, most };

  // biome-ignore lint/correctness/useExhaustiveDependencies: its colours are read when it is made.
  useEffect(() => {
    const own = box.current;
    if (!own) return;
    const made = new uPlot(options(own, latest.current), latest.current.columns, own);
    plot.current = made;
    const watch = new ResizeObserver(() =>
      made.setSize({ width: own.clientWidth, height: HEIGHT_PX }),
    );
    watch.observe(own);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [dark, series.bucket]);

  useEffect(() => {
    plot.current?.setData(columns);
  }, [columns]);

  const at = hovered === null ? null : series.buckets[hovered];
  return (
    <section className="card chart">
      <div className="title">
        <h2>{title}</h2>
        <span className="legend">
          {at && <span className="quiet">{clock(new Date(at.start), Date.now())}</span>}
          {lines.map((line) => {
            const value = at ? line.of(at) : null;
            return (
              <span key={line.name} className={line.colour.slice(2)}>
                {line.name} {value !== null && <strong>{line.text(value)}</strong>}
              </span>
            );
          })}
        </span>
      </div>
      <div ref={box} className="plot" role="img" aria-label={spoken(series, title, lines)} />
    </section>
  );
}

/** The newest values, for who cannot see the chart. */
function spoken(series: SeriesInfo, title: string, lines: readonly Line[]): string {
  const last = series.buckets.at(-1);
  if (!last) return title;
  const said = lines.map((line) => {
    const value = line.of(last);
    return `${line.name} ${value === null ? "none" : line.text(value)}`;
  });
  return `${title}. Latest: ${said.join(", ")}`;
}

/** Times in seconds, and a column a line; stacked ones contain those below. */
function data(series: SeriesInfo, lines: readonly Line[], stacked: boolean): uPlot.AlignedData {
  const times = series.buckets.map((one) => new Date(one.start).getTime() / 1000);
  const columns = lines.map((_, index) =>
    series.buckets.map((one) => {
      if (!stacked) return lines[index]?.of(one) ?? null;
      return lines.slice(index).reduce((sum, line) => sum + (line.of(one) ?? 0), 0);
    }),
  );
  return [times, ...columns];
}

interface Shown {
  lines: readonly Line[];
  axis: (value: number) => string;
  steps: number[] | undefined;
  hover: (index: number | null) => void;
  stacked: boolean;
  most: number;
}

function options(own: HTMLElement, shown: Shown): uPlot.Options {
  const colour = (name: string) => shade(own, name);
  const bars = uPlot.paths.bars?.({ size: [0.75, 24], align: 1 });
  const axis = { stroke: colour("--quiet"), font: "11px system-ui, sans-serif" };
  const grid = { stroke: colour("--line"), width: 1 };
  return {
    width: own.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { sync: { key: SYNC }, points: { show: !shown.stacked }, drag: { x: false, y: false } },
    // On the right for half of the last time.
    padding: [8, 16, 0, 0],
    scales: {
      // The newest bucket ends one bucket after its start.
      x: { range: (plot, min, max) => [min, max + apart(plot.data[0])] },
      y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.08, shown.most) || 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, ticks: { show: false }, size: 24, values: times },
      {
        ...axis,
        grid,
        ticks: { show: false },
        size: 56,
        space: 24,
        ...(shown.steps && { incrs: shown.steps }),
        values: (_, splits) => splits.map(shown.axis),
      },
    ],
    series: [
      {},
      ...shown.lines.map((line) => ({
        stroke: colour(line.colour),
        width: shown.stacked ? 0 : 1.5,
        points: shown.stacked
          ? { show: false }
          : { size: 5, fill: colour(line.colour), filter: filtered },
        spanGaps: false,
        ...(shown.stacked && bars ? { fill: colour(line.colour), paths: bars } : {}),
      })),
    ],
    hooks: { setCursor: [(plot) => shown.hover(plot.cursor.idx ?? null)] },
  };
}

/** A variable of the style sheet as a canvas understands it. */
function shade(own: HTMLElement, name: string): string {
  own.style.color = `var(${name})`;
  const found = getComputedStyle(own).color;
  own.style.color = "";
  return found;
}

/** Every point where there is room; else those that no line reaches. */
function filtered(plot: uPlot, column: number, roomy: boolean): number[] | null {
  return roomy ? null : alone(plot.data[column] ?? []);
}

/** Where values stand that have no neighbour: a line draws nothing there. */
export function alone(values: ArrayLike<number | null | undefined>): number[] {
  const is = (index: number) => typeof values[index] === "number";
  return Array.from(values, (_, index) => index).filter(
    (index) => is(index) && !is(index - 1) && !is(index + 1),
  );
}

/** Seconds from one to the next. */
function apart([first = 0, second = first]: ArrayLike<number> & Iterable<number>): number {
  return second - first;
}

/** Times of day, or days where they lie so far apart. */
function times(_: uPlot, splits: number[]): string[] {
  const wide = apart(splits) >= 86_400;
  return splits.map((second) => {
    const at = new Date(second * 1000);
    const hour = `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
    const day = `${at.getMonth() + 1}/${at.getDate()}`;
    return wide || hour === "00:00" ? day : hour;
  });
}
