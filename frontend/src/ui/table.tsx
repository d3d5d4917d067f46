import { type ReactNode, useState } from "react";
import { settings } from "../settings";

/** A column's heading. */
export interface Column {
  title: string;
  /** What is there in its place, and says the same. */
  shown?: ReactNode;
  /** What it means, on hover. */
  hint?: string;
  /** `number`; `roomy` or `spare`: left out where there is little room. */
  kind?: string;
  /** Those who see know by its cells what it is. */
  unseen?: boolean;
}

/** A table; what is wider than the window is scrolled to, by keys too. */
export function Table({
  label,
  columns,
  children,
}: {
  label: string;
  columns: readonly Column[];
  /** Its rows. */
  children: ReactNode;
}) {
  return (
    <section className="scroll" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title, shown = title, hint, kind, unseen }) => (
              <th key={title} className={kind} title={hint} scope="col">
                {unseen ? <span className="unseen">{shown}</span> : shown}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

/** With one of buttons at the end, for who may act. */
export function withActs(columns: readonly Column[]): readonly Column[] {
  return settings.may.act ? [...columns, { title: "Acts", kind: "acts", unseen: true }] : columns;
}

/** A row, and what belongs to it in one below, which `disclose` opens and closes. */
export function OpenRow({
  label,
  columns,
  row,
  children,
}: {
  label: string;
  columns: number;
  row: (disclose: ReactNode) => ReactNode;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      {row(
        <button
          type="button"
          className="plain disclose"
          aria-expanded={open}
          aria-label={label}
          onClick={() => setOpen(!open)}
        />,
      )}
      {open && (
        <tr className="detail">
          <td colSpan={columns}>{children}</td>
        </tr>
      )}
    </>
  );
}
