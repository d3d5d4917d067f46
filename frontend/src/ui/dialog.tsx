import { type ReactNode, useLayoutEffect, useRef } from "react";

/** The browser's own dialog: it keeps the focus, and Escape closes it. */
export function Dialog({
  title,
  close,
  children,
  wide = false,
}: {
  title: string;
  close: () => void;
  children: ReactNode;
  wide?: boolean;
}) {
  const own = useRef<HTMLDialogElement>(null);
  // Before it is taken out of the page: only then does the browser give the focus back.
  useLayoutEffect(() => {
    const dialog = own.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={own}
      className={wide ? "wide" : undefined}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onMouseDown={(event) => {
        if (event.target === own.current) close();
      }}
    >
      <div className="inside">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** Ask before something that concerns many, or cannot be taken back. */
export function Confirm({
  title,
  children,
  action,
  run,
  close,
}: {
  title: string;
  children: ReactNode;
  action: string;
  run: () => void;
  close: () => void;
}) {
  return (
    <Dialog title={title} close={close}>
      {children}
      <form
        method="dialog"
        className="actions"
        onSubmit={() => {
          close();
          run();
        }}
      >
        <button type="button" onClick={close}>
          Back
        </button>
        {/* biome-ignore lint/a11y/noAutofocus: Enter confirms what was just asked for. */}
        <button type="submit" className="main" autoFocus>
          {action}
        </button>
      </form>
    </Dialog>
  );
}
