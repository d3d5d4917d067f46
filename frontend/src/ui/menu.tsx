import { type ReactNode, useEffect, useRef } from "react";

/** Choices below a button; Escape, a click beside them and Tab past them close it. */
export function Menu({
  title,
  className = "",
  children,
}: {
  title: string;
  className?: string;
  children: ReactNode;
}) {
  const own = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const beside = (event: Event) => {
      if (own.current && !own.current.contains(event.target as Node)) own.current.open = false;
    };
    const shut = (event: KeyboardEvent) => {
      const menu = own.current;
      if (event.key !== "Escape" || !menu?.open) return;
      // Where the focus would vanish with what it is on.
      if (menu.contains(document.activeElement)) menu.querySelector("summary")?.focus();
      menu.open = false;
    };
    document.addEventListener("pointerdown", beside);
    document.addEventListener("focusin", beside);
    document.addEventListener("keydown", shut);
    return () => {
      document.removeEventListener("pointerdown", beside);
      document.removeEventListener("focusin", beside);
      document.removeEventListener("keydown", shut);
    };
  }, []);
  return (
    <details className="menu" ref={own}>
      <summary>{title}</summary>
      <div className={`items ${className}`.trim()}>{children}</div>
    </details>
  );
}
