import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { ended, goesOn, useHold } from "./session";

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

function Typed() {
  return <p>{useHold() ? "signed out" : "signed in"}</p>;
}

it("stays where something is typed, until somebody is signed in again", () => {
  const leave = vi.spyOn(location, "assign").mockImplementation(() => {});
  render(<Typed />);

  act(ended);
  expect(screen.getByText("signed out")).toBeTruthy();
  act(goesOn);
  expect(screen.getByText("signed in")).toBeTruthy();
  expect(leave).not.toHaveBeenCalled();
});

it("goes to the form where nothing would be lost", () => {
  const leave = vi.spyOn(location, "assign").mockImplementation(() => {});
  render(<Typed />).unmount();

  ended();

  expect(leave).toHaveBeenCalledWith(expect.stringContaining("/auth/login?next="));
});
