import { Menu } from "../ui/menu";
import { COLUMNS, type Column } from "./columns";

export function ColumnChoice({
  chosen,
  choose,
}: {
  chosen: readonly Column[];
  choose: (name: Column, shown: boolean) => void;
}) {
  return (
    <Menu title="Columns">
      {COLUMNS.map((column) => (
        <label key={column.name}>
          <input
            type="checkbox"
            checked={chosen.includes(column.name)}
            onChange={(event) => choose(column.name, event.target.checked)}
          />
          {column.title}
        </label>
      ))}
    </Menu>
  );
}
