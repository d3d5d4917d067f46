import { expect, test } from "vitest";
import type { InstanceDetail } from "../api/schema";
import { listened } from "../instances/silent";
import { ofInstances, ofPauses, worst } from "./troubles";

const one = (heartbeats: number, lag = 0) =>
  ({ instance_id: "0123456789abcdef", host: "box", heartbeats, lag }) as InstanceDetail;

test("an instance is silent from its last heartbeat that was heard", () => {
  let heard = listened(new Map(), [one(1)], 0);
  heard = listened(heard, [one(1)], 5_000);
  heard = listened(heard, [one(1)], 10_000);

  expect(heard.get("0123456789abcdef")).toEqual({ heartbeats: 1, at: 0, looked: 10_000 });
  expect(listened(heard, [one(2)], 12_000).get("0123456789abcdef")?.at).toBe(12_000);
});

test("while the page stood still nobody listened", () => {
  const heard = listened(new Map(), [one(1)], 0);

  expect(listened(heard, [one(1)], 60_000).get("0123456789abcdef")?.at).toBe(60_000);
});

test("silent and late instances are told, others are not", () => {
  expect(ofInstances([one(1)], new Map())).toEqual([]);
  expect(ofInstances([one(1, 2)], new Map())[0]?.text).toContain("answers 2 s late");
  expect(ofInstances([one(1, 2)], new Map([["0123456789abcdef", 30]]))[0]).toMatchObject({
    bad: true,
    text: "no heartbeat for 30 s, on box",
  });
});

test("pauses of queues are told with the queue", () => {
  const found = ofPauses([
    { kind: "queue", value: "mail" },
    { kind: "tag", value: "customer:42" },
  ]);

  expect(found.map((each) => each.name)).toEqual(["tag customer:42"]);
});

test("what goes wrong stands above what is paused, whatever its weight", () => {
  const told = (name: string, bad: boolean, weight: number) => ({
    name,
    bad,
    weight,
    text: "",
    to: "",
    query: {},
  });
  const all = [
    told("a pause", false, 1e5),
    told("failures", true, 3),
    told("a full queue", true, 1e7),
  ];

  expect(all.sort(worst).map((one) => one.name)).toEqual(["a full queue", "failures", "a pause"]);
});
