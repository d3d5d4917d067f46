/** What the server says with the page: where it stands, who looks, and what they may do. */
export interface Settings {
  /** Path before all routes, without a slash at its end. */
  base: string;
  title: string;
  version: string;
  user: { name: string | null; role: string; in_session: boolean };
  may: { contents: boolean; act: boolean; configure: boolean };
  /** No rule keeps anybody out. */
  open_to_all: boolean;
  read_only: boolean;
  /** What an accepted task survives, in words. */
  durability: string | null;
}

function read(): Settings {
  const given = document.getElementById("root")?.dataset.settings;
  if (given) return JSON.parse(given) as Settings;
  return {
    base: "/tasks",
    title: "fastapi-taskflow",
    version: "0",
    user: { name: null, role: "admin", in_session: false },
    may: { contents: true, act: true, configure: true },
    open_to_all: false,
    read_only: false,
    durability: null,
  };
}

export const settings = read();

/** The name under which a browser keeps something for this dashboard: an origin may have several. */
export const kept = (name: string) => `taskflow.${name}:${settings.base}`;
