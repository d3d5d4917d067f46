import { expect, it } from "vitest";
import { filtersOf } from "./filters";

it("leaves what an address cannot mean to the server to refuse", () => {
  const query = new URLSearchParams("status=bogus&status=failed&other=1&key=customer:42");

  expect(filtersOf(query)).toEqual({ status: ["bogus", "failed"], key: "customer:42" });
});
