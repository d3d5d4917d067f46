import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { FactList, OpenRow, Tabs } from "./basics";

it("leaves out facts that nobody knows", () => {
  const facts = [
    ["Queue", "mails"],
    ["Executor", null],
    ["Title", ""],
    ["Retries", 0],
  ] as const;

  render(<FactList facts={facts} />);

  expect(screen.getAllByRole("term").map((one) => one.textContent)).toEqual(["Queue", "Retries"]);
});

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

it("says which of a few is chosen", () => {
  const all = [{ title: "one" }, { title: "two" }];
  const chosen: string[] = [];

  render(
    <Tabs
      label="Numbers"
      all={all}
      chosen={(one) => one.title === "two"}
      choose={(one) => chosen.push(one.title)}
    />,
  );
  fireEvent.click(screen.getByRole("button", { name: "one", pressed: false }));

  expect(screen.getByRole("group", { name: "Numbers" })).toBeTruthy();
  expect(screen.getByRole("button", { name: "two", pressed: true })).toBeTruthy();
  expect(chosen).toEqual(["one"]);
});
