import { clock, count } from "../format";

const HEIGHT = 20;
const BAR = 4;

/** A small chart of counts over time, the oldest on the left; the numbers are said on hover. */
export function Bars({
  bars,
  label,
  bad = false,
}: {
  bars: readonly { start: string; count: number }[];
  label: string;
  bad?: boolean;
}) {
  const most = Math.max(1, ...bars.map((one) => one.count));
  const width = bars.length * BAR;
  return (
    <svg
      className={bad ? "bars bad" : "bars"}
      viewBox={`0 0 ${width} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {bars.map((one, index) => {
        // What is not nothing can be seen.
        const high = one.count === 0 ? 0.5 : Math.max(2, (one.count / most) * HEIGHT);
        return (
          <rect
            key={one.start}
            className={one.count === 0 ? "none" : undefined}
            x={index * BAR}
            y={HEIGHT - high}
            width={BAR - 1}
            height={high}
          >
            <title>{`${clock(new Date(one.start), Date.now())}: ${count(one.count)}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
