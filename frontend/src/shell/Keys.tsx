import { useEffect, useState } from "react";
import { go } from "../router";
import { Dialog } from "../ui/dialog";
import { isTyping } from "../ui/typing";

const HELP = [
  ["Ctrl K", "go to a view, a function or a task, or do something on this page"],
  ["/", "search in tasks"],
  ["↑ ↓ Home End", "move in the list of tasks"],
  ["Enter", "open the task"],
  ["x", "choose it"],
  ["r", "retry the task, or those chosen"],
  ["c", "cancel the task, or those chosen"],
  ["e", "edit its arguments and run it again"],
  ["?", "this list"],
] as const;

/** Keys that do the same wherever the focus is, unless somebody types. */
export function Keys() {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      if (event.key === "?") setHelp(true);
      else if (event.key === "/") search();
      else if (!press(event.key)) return;
      event.preventDefault();
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  }, []);
  if (!help) return null;
  return (
    <Dialog title="Keys" close={() => setHelp(false)}>
      <dl className="keys">
        {HELP.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function search() {
  const field = () => document.querySelector<HTMLInputElement>('input[name="q"]');
  if (!field()) go("tasks");
  // The list may have to be drawn first.
  requestAnimationFrame(() => field()?.focus());
}

/** Press the button that says it has this key; whether there is one. */
function press(key: string): boolean {
  const button = document.querySelector<HTMLButtonElement>(
    `button[data-key="${CSS.escape(key)}"]:not(:disabled)`,
  );
  button?.click();
  return button !== null;
}
