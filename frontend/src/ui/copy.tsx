import { useEffect, useState } from "react";

/** A button that copies a text; also on plain http, where the clipboard's own API is missing. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState<boolean | null>(null);
  useEffect(() => {
    if (done === null) return;
    const timer = setTimeout(() => setDone(null), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => setDone(await write(text));
  return (
    <button type="button" className="plain" onClick={() => void copy()} aria-live="polite">
      {done === null ? label : done ? "Copied" : "Not copied"}
    </button>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text);
  }
}

function byHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  // The only way on plain http.
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
