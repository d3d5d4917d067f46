import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { FactList, Tabs } from "./basics";

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
