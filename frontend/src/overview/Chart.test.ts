import { expect, it } from "vitest";
import { alone } from "./Chart";

it("draws points where a line has no neighbour to go to", () => {
  expect(alone([null, 1, null, 2, 3, null, 0])).toEqual([1, 6]);
  expect(alone([5])).toEqual([0]);
  expect(alone([1, 2])).toEqual([]);
});
