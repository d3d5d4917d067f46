import { expect, it } from "vitest";
import type { ArgumentInfo } from "../api/schema";
import { changedJson, draftOf, emptyDraft, faultOf, pretty, shapeOf, toJson } from "./arguments";

const argument = (given: Partial<ArgumentInfo>): ArgumentInfo => ({
  name: "n",
  kind: "one",
  required: true,
  form: { type: "integer" },
  default: null,
  given: true,
  value: null,
  secret: false,
  ...given,
});

const BIG = "1180591620717411303425";

it.each([
  [{ type: "string", format: "date-time" }, "text", "date-time"],
  [{ type: "number" }, "number", "number"],
  [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "number", "integer or none"],
  [{ $ref: "#/$defs/C", $defs: { C: { enum: ["red", 2], type: "string" } } }, "choice", "string"],
  [{ type: "boolean" }, "choice", "boolean"],
  [{ const: "a", type: "string" }, "choice", "string"],
  [{ type: "array", items: {} }, "json", "array"],
  [{ anyOf: [{ type: "integer" }, { type: "string" }] }, "json", "any JSON"],
  [{}, "json", "any JSON"],
  [null, "json", "any JSON"],
])("%j is typed as %s", (form, kind, title) => {
  expect(shapeOf(form)).toMatchObject({ kind, title });
});

it("names the choices of a reference within an alternative", () => {
  const form = {
    anyOf: [{ $ref: "#/$defs/C" }, { type: "null" }],
    $defs: { C: { enum: ["red", "blue"] } },
  };

  expect(shapeOf(form)).toMatchObject({ choices: ['"red"', '"blue"'], nullable: true });
});

it("keeps every digit of a number", () => {
  const one = argument({ value: BIG });
  const shape = shapeOf(one.form);
  const draft = draftOf(one, shape);

  expect(draft).toEqual({ text: BIG, none: false });
  expect(toJson({ text: `${BIG}0`, none: false }, shape)).toBe(`${BIG}0`);
  expect(toJson({ text: "seven", none: false }, shape)).toBe('"seven"');
});

it("sends only what was changed", () => {
  const all = [
    argument({ name: "a", value: BIG }),
    argument({ name: "b", value: '"x\\ny"', form: { type: "string" } }),
    argument({ name: "c", secret: true, form: { type: "string" } }),
    argument({ name: "d", value: `{"k":[${BIG}]}`, form: { type: "object" } }),
    argument({ name: 'e"', default: "null", given: false, form: OR_NONE }),
  ];
  const drafts = Object.fromEntries(all.map((one) => [one.name, draftOf(one, shapeOf(one.form))]));

  expect(drafts.c).toBeNull();
  expect(changedJson(all, drafts)).toBe("{}");
  expect(changedJson(all, { ...drafts, a: { text: "1", none: false } })).toBe('{"a":1}');
  const empty = { c: { text: "", none: false }, 'e"': { text: "é", none: false } };
  expect(changedJson(all, { ...drafts, ...empty })).toBe('{"c":"","e\\"":"é"}');
});

const OR_NONE = { anyOf: [{ type: "string" }, { type: "null" }] };

it("tells what is no JSON, where JSON is typed", () => {
  const json = shapeOf({ type: "array" });

  expect(faultOf({ text: "[1,", none: false }, json)).toBe("This is not JSON.");
  expect(faultOf({ text: "[1]", none: false }, json)).toBeNull();
  expect(faultOf({ text: "[1,", none: false }, shapeOf({ type: "string" }))).toBeNull();
  expect(emptyDraft(shapeOf({ type: "boolean" }))).toEqual({ text: "true", none: false });
});

it("writes JSON on several lines without changing a value", () => {
  const json = `{"a":[${BIG},1.0,"x: [\\"]"],"b":{},"c":[]}`;

  expect(pretty(json)).toBe(
    `{\n  "a": [\n    ${BIG},\n    1.0,\n    "x: [\\"]"\n  ],\n  "b": {},\n  "c": []\n}`,
  );
});
