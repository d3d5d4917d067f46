/** Words for people: lengths of time, instants, numbers. */

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** A length of time: `0.8 ms`, `120 ms`, `3.4 s`, `2 m 05 s`, `3 h 10 m`, `4 d 2 h`. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0) return `−${span(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return "< 1 ms";
  if (seconds < 0.01) return `${trimmed(seconds * 1000, 1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${trimmed(seconds, 2)} s`;
  if (seconds < 59.5) return `${trimmed(seconds, 1)} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return parts(whole, MINUTE, "m", 1, "s");
  if (whole < DAY) return parts(whole, HOUR, "h", MINUTE, "m");
  return parts(whole, DAY, "d", HOUR, "h");
}

function parts(whole: number, large: number, one: string, small: number, two: string): string {
  const rest = Math.floor((whole % large) / small);
  const first = `${Math.floor(whole / large)} ${one}`;
  return rest === 0 ? first : `${first} ${String(rest).padStart(2, "0")} ${two}`;
}

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, "");
}

/** How long ago, or in how long: `12 s ago`, `in 3 m`. */
export function away(at: Date, now: number): string {
  const seconds = (now - at.getTime()) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  const size = coarse(Math.abs(seconds));
  return seconds > 0 ? `${size} ago` : `in ${size}`;
}

function coarse(seconds: number): string {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** The time of day here; with the date if that is not today's. */
export function clock(at: Date, now: number, { exact = false } = {}): string {
  const today = new Date(now);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const shown = exact ? `${time}.${String(at.getMilliseconds()).padStart(3, "0")}` : time;
  const isToday = at.toDateString() === today.toDateString();
  return isToday ? shown : `${date(at, today)} ${shown}`;
}

function date(at: Date, today: Date): string {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return at.getFullYear() === today.getFullYear() ? day.slice(5) : day;
}

/** The same instant in UTC, for who compares with logs. */
export function utc(at: Date): string {
  return `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** `1,234,567`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1.2k`, where there is little room. */
export function brief(value: number): string {
  if (value < 10_000) return count(value);
  if (value < 1_000_000) return `${trimmed(value / 1000, value < 100_000 ? 1 : 0)}k`;
  return `${trimmed(value / 1_000_000, 1)}M`;
}

/** 0..1 as `99.2 %`; never 100 % or 0 % where that is not the whole truth. */
export function percent(rate: number): string {
  if (rate > 0.999 && rate < 1) return "> 99.9 %";
  if (rate > 0 && rate < 0.001) return "< 0.1 %";
  return `${trimmed(rate * 100, 1)} %`;
}

/** The end of an id, which says which it is: ids begin with the time. */
export function short(id: string): string {
  return id.slice(-8);
}

/** A class without the modules before it. */
export function bare(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1) || name;
}

export function firstLine(text: string): string {
  return text.trimStart().split("\n", 1)[0] ?? "";
}

/** `1 task`, `2 tasks`. */
export function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}
