import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Menu } from "./menu";

function opened(): HTMLDetailsElement {
  const { container } = render(
    <Menu title="Columns">
      <button type="button">inside</button>
    </Menu>,
  );
  const menu = container.querySelector("details") as HTMLDetailsElement;
  menu.open = true;
  return menu;
}

it("closes at Escape, and gives the focus back", () => {
  const menu = opened();
  screen.getByText("inside").focus();

  fireEvent.keyDown(document.body, { key: "Escape" });

  expect(menu.open).toBe(false);
  expect(document.activeElement?.textContent).toBe("Columns");
});

it("closes at a click beside it, and at none within", () => {
  const menu = opened();

  fireEvent.pointerDown(menu.querySelector("button") as HTMLButtonElement);
  expect(menu.open).toBe(true);

  fireEvent.pointerDown(document.body);
  expect(menu.open).toBe(false);
});

it("closes where the focus goes on past it", () => {
  const menu = opened();

  fireEvent.focusIn(menu.querySelector("button") as HTMLButtonElement);
  expect(menu.open).toBe(true);

  fireEvent.focusIn(document.body);
  expect(menu.open).toBe(false);
});
