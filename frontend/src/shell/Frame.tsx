import { type ReactNode, useEffect, useRef } from "react";
import { useHealth } from "../api/queries";
import { Bulks } from "../bulk/Bulks";
import { href, useAddress } from "../router";
import { settings } from "../settings";
import { Link } from "../ui/basics";
import { Toasts } from "../ui/toasts";
import { Keys } from "./Keys";
import { LiveButton } from "./LiveButton";
import { Palette, PaletteButton } from "./Palette";
import { setTheme, type Theme, useTheme } from "./theme";
import { VIEWS } from "./views";

/** What stands around every view. */
export function Frame({ at, children }: { at: string; children: ReactNode }) {
  useEffect(() => {
    // On a phone the menu is wider than the window.
    document
      .querySelector(`nav [href="${CSS.escape(href(at))}"]`)
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [at]);
  const content = useFocus();
  return (
    <div className="frame">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="side">
        <Link to="" className="home">
          {settings.title}
        </Link>
        <nav aria-label="Views">
          {VIEWS.map((view) => (
            <Link
              key={view.path}
              to={view.path}
              aria-current={view.path === at ? "page" : undefined}
            >
              {view.title}
            </Link>
          ))}
        </nav>
        <div className="foot">
          <PaletteButton />
          <LiveButton />
          <ThemeChoice />
          <Account />
        </div>
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        <Warnings />
        <Bulks />
        {children}
      </main>
      <Toasts />
      <Keys />
      <Palette />
    </div>
  );
}

/** Takes the focus where a link led elsewhere and vanished, so that keys go on from the view. */
function useFocus() {
  const own = useRef<HTMLElement>(null);
  const { path } = useAddress();
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    if (document.activeElement === document.body) own.current?.focus({ preventScroll: true });
  }, [path]);
  return own;
}

function ThemeChoice() {
  const { theme } = useTheme();
  return (
    <label className="theme">
      <span className="unseen">Colours</span>
      <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
        <option value="system">System colours</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}

function Account() {
  const { user, may } = settings;
  return (
    <div className="account">
      {user.name && <strong>{user.name}</strong>}
      {!may.act ? <span className="quiet">read only</span> : user.name && <span>{user.role}</span>}
      {user.in_session && (
        <>
          {/* Forms, so that they work as the page to sign in does. */}
          <form method="post" action={`${settings.base}/auth/logout`}>
            <button type="submit" className="plain">
              Sign out
            </button>
          </form>
          <form method="post" action={`${settings.base}/auth/logout?everywhere=true`}>
            <button type="submit" className="plain" title="Sign out in all browsers">
              everywhere
            </button>
          </form>
        </>
      )}
    </div>
  );
}

function Warnings() {
  const health = useHealth();
  const trouble =
    health.data?.reasons ??
    (health.error ? [`This instance is not well: ${health.error.message}`] : []);
  return (
    <>
      {settings.open_to_all && (
        <p className="warning" role="alert">
          Open to everybody: TaskAdmin was made with auth=None. Whoever reaches this page may do all
          that it offers.
        </p>
      )}
      {trouble.length > 0 && (
        <div className="warning" role="alert">
          {trouble.map((reason) => (
            <p key={reason}>{reason}</p>
          ))}
        </div>
      )}
    </>
  );
}
