import { expect, it } from "vitest";
import { leastRem, template } from "./columns";

it("gives the rest of a row to what is long", () => {
  expect(template(["queue", "created"], true)).toBe(
    "1.75rem 6rem minmax(14rem, 2.6fr) minmax(5.5rem, 0.8fr) 4.75rem",
  );
});

it("gives nothing of it to tags where no task has any", () => {
  expect(template(["tags"], false, ["tags"])).toBe("6rem minmax(14rem, 2.6fr) 2.5rem");
});

it("knows how wide a row is at least, with the gaps", () => {
  expect(leastRem(["created"], false)).toBe(6 + 14 + 4.75 + 4 * 0.75);
});
