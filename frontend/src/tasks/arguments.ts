import type { ArgumentInfo } from "../api/schema";

/** How one argument is typed. Choices are JSON. */
export interface Shape {
  kind: "text" | "number" | "choice" | "json";
  choices: readonly string[];
  nullable: boolean;
  /** In a word or two, such as `date-time` or `integer or none`. */
  title: string;
}

/** What was typed: text of its own kind, or null in Python's sense of None. */
export interface Draft {
  text: string;
  none: boolean;
}

type Schema = Record<string, unknown>;

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** How the schema of a parameter is best typed; what is more than one value is typed as JSON. */
export function shapeOf(form: Schema | null): Shape {
  const { schema, nullable } = inner(form ?? {}, form ?? {});
  const kind = typeof schema.type === "string" ? schema.type : "";
  const name = typeof schema.format === "string" ? schema.format : kind || "any JSON";
  const title = nullable ? `${name} or none` : name;
  const choices = choicesOf(schema);
  if (choices.length > 0) return { kind: "choice", choices, nullable, title };
  if (kind === "string") return { kind: "text", choices, nullable, title };
  if (kind === "integer" || kind === "number") return { kind: "number", choices, nullable, title };
  return { kind: "json", choices, nullable: false, title };
}

/** Without references, and without the alternative that is null. */
function inner(schema: Schema, root: Schema): { schema: Schema; nullable: boolean } {
  const named = typeof schema.$ref === "string" ? schema.$ref.split("/").at(-1) : undefined;
  if (named !== undefined) {
    const found = (root.$defs as Record<string, Schema> | undefined)?.[named];
    return { schema: found ?? {}, nullable: false };
  }
  if (!Array.isArray(schema.anyOf)) return { schema, nullable: false };
  const others = (schema.anyOf as Schema[]).filter((one) => one.type !== "null");
  const [only] = others;
  const nullable = others.length < schema.anyOf.length;
  if (others.length !== 1 || !only) return { schema: {}, nullable };
  return { schema: inner(only, root).schema, nullable };
}

function choicesOf(schema: Schema): string[] {
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => JSON.stringify(one));
  if ("const" in schema) return [JSON.stringify(schema.const)];
  return schema.type === "boolean" ? ["true", "false"] : [];
}

/** What stands in the field at first; null: nothing that could be shown. */
export function draftOf(argument: ArgumentInfo, shape: Shape): Draft | null {
  const json = argument.given ? argument.value : argument.default;
  if (json === null || argument.secret) return null;
  return fromJson(json, shape);
}

function fromJson(json: string, shape: Shape): Draft {
  if (json === "null" && shape.nullable) return { text: "", none: true };
  if (shape.kind === "text") return { text: String(JSON.parse(json)), none: false };
  if (shape.kind === "json") return { text: pretty(json), none: false };
  return { text: json, none: false };
}

/** The draft as JSON; numbers keep all of their digits. */
export function toJson(draft: Draft, shape: Shape): string {
  if (draft.none) return "null";
  const text = draft.text.trim();
  if (shape.kind === "text") return JSON.stringify(draft.text);
  // What is no number is for the server to refuse, in its words.
  if (shape.kind === "number") return NUMBER.test(text) ? text : JSON.stringify(draft.text);
  return text;
}

/** Why it cannot be sent; null: it can. */
export function faultOf(draft: Draft, shape: Shape): string | null {
  if (shape.kind !== "json" || draft.none) return null;
  try {
    JSON.parse(draft.text);
    return null;
  } catch {
    return "This is not JSON.";
  }
}

/** JSON of the arguments that differ from the drafts at first. */
export function changedJson(
  all: readonly ArgumentInfo[],
  drafts: Readonly<Record<string, Draft | null>>,
): string {
  const parts: string[] = [];
  for (const one of all) {
    const shape = shapeOf(one.form);
    const [before, now] = [draftOf(one, shape), drafts[one.name] ?? null];
    if (now === null) continue;
    const json = toJson(now, shape);
    if (before === null || toJson(before, shape) !== json)
      parts.push(`${JSON.stringify(one.name)}:${json}`);
  }
  return `{${parts.join(",")}}`;
}

/** JSON on several lines, every number and text as it is written. */
export function pretty(json: string): string {
  let depth = 0;
  const line = (by: number) => {
    depth += by;
    return `\n${"  ".repeat(depth)}`;
  };
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g) ?? [];
  return tokens
    .map((token, at) => {
      const next = tokens[at + 1];
      if (token === "[" || token === "{") {
        if (next === "]" || next === "}") return token;
        return token + line(1);
      }
      if (token === "]" || token === "}") {
        const empty = tokens[at - 1] === "[" || tokens[at - 1] === "{";
        return empty ? token : line(-1) + token;
      }
      if (token === ",") return token + line(0);
      return token === ":" ? ": " : token;
    })
    .join("");
}

/** Where somebody begins who replaces what is not shown. */
export function emptyDraft(shape: Shape): Draft {
  return { text: shape.choices[0] ?? "", none: false };
}
