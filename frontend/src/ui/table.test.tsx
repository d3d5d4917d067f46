import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { OpenRow } from "./table";

it("opens what belongs to a row, and closes it", () => {
  render(
    <table>
      <tbody>
        <OpenRow
          label="More of a"
          columns={1}
          row={(disclose) => (
            <tr>
              <td>{disclose} a</td>
            </tr>
          )}
        >
          what belongs to a
        </OpenRow>
      </tbody>
    </table>,
  );
  const button = screen.getByRole("button", { name: "More of a" });
  expect(screen.queryByText("what belongs to a")).toBeNull();

  fireEvent.click(button);
  expect(button.getAttribute("aria-expanded")).toBe("true");
  expect(screen.getByText("what belongs to a")).toBeTruthy();

  fireEvent.click(button);
  expect(screen.queryByText("what belongs to a")).toBeNull();
});
