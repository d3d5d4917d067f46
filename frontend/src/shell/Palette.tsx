import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { useFunctions } from "../api/queries";
import { live } from "../live";
import { go } from "../router";
import { Dialog } from "../ui/dialog";
import { type Entry, found, isId } from "./palette";
import { setTheme } from "./theme";
import { VIEWS } from "./views";

const ASKED = "taskflow:palette";

/** Says that there is a palette, and opens it without keys. */
export function PaletteButton() {
  return (
    <button
      type="button"
      aria-keyshortcuts="Control+K Meta+K"
      title="Ctrl K"
      onClick={() => dispatchEvent(new Event(ASKED))}
    >
      Go to…
    </button>
  );
}

/** Opens where it is asked for, unless another dialog is in front. */
export function Palette() {
  const [actions, setActions] = useState<Entry[] | null>(null);
  useEffect(() => {
    const open = () => {
      if (!document.querySelector("dialog[open]")) setActions(ofThisPage());
    };
    const hear = (event: globalThis.KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      if (event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      open();
    };
    document.addEventListener("keydown", hear);
    addEventListener(ASKED, open);
    return () => {
      document.removeEventListener("keydown", hear);
      removeEventListener(ASKED, open);
    };
  }, []);
  if (actions === null) return null;
  return <Choice actions={actions} close={() => setActions(null)} />;
}

/** What has a key on this page, and what all pages can do. */
function ofThisPage(): Entry[] {
  const buttons = document.querySelectorAll<HTMLButtonElement>("button[data-key]:not(:disabled)");
  const own = [...buttons].map((button) => ({
    title: button.textContent?.trim() ?? "",
    kind: "on this page",
    run: () => button.click(),
  }));
  const { paused } = live.get();
  return [
    ...own,
    {
      title: paused ? "Follow what happens" : "Let the page stand still",
      kind: "page",
      run: paused ? live.resume : live.pause,
    },
    ...(["light", "dark", "system"] as const).map((theme) => ({
      title: `Colours: ${theme}`,
      kind: "page",
      run: () => setTheme(theme),
    })),
  ];
}

function Choice({ actions, close }: { actions: readonly Entry[]; close: () => void }) {
  const functions = useFunctions();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  useEffect(() => {
    document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: "nearest" });
  }, [id, at]);
  const entries = [
    ...VIEWS.map(({ path, title }) => ({ title, kind: "view", run: () => go(path) })),
    ...actions,
    ...(functions.data ?? []).map(({ func_name: name }) => ({
      title: name,
      kind: "tasks of the function",
      run: () => go("tasks", { func_name: name }),
    })),
  ];
  const shown = [...found(entries, text), ...ofText(text.trim())];
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    // A dialog that it opens comes after this one has gone.
    setTimeout(entry.run);
  };
  const hear = (event: KeyboardEvent) => {
    if (event.key === "Enter") choose(shown[at]);
    else if (event.key === "ArrowDown") setAt(Math.min(at + 1, shown.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" close={close}>
      <input
        type="text"
        role="combobox"
        aria-label="Where to, or what to do"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={shown.length > 0 ? `${id}-${at}` : undefined}
        className="wide"
        placeholder="A view, a function, an id, an act"
        autoComplete="off"
        spellCheck={false}
        autoFocus
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={hear}
      />
      <div role="listbox" id={id} aria-label="Places and acts" className="palette">
        {shown.map((entry, index) => (
          <div
            key={`${entry.kind} ${entry.title}`}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onMouseMove={() => setAt(index)}
            onClick={() => choose(entry)}
            onKeyDown={hear}
          >
            <span>{entry.title}</span> <span className="quiet">{entry.kind}</span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}

/** What the text itself may be. */
function ofText(text: string): Entry[] {
  if (!text) return [];
  const search = { title: text, kind: "search in tasks", run: () => go("tasks", { q: text }) };
  if (!isId(text)) return [search];
  const open = { title: text, kind: "open the task", run: () => go(`tasks/${text}`) };
  return [open, search];
}
