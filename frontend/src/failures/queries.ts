import { useQuery } from "@tanstack/react-query";
import { ask, askPage } from "../api/client";
import { useLook } from "../api/queries";
import type { FailureDetail, Routes } from "../api/schema";

export type FailureQuery = Routes["GET /failures"]["query"];

export const MOST = 200;

/** A group that was first seen so lately is marked. */
const NEW_MS = 3_600_000;

export const isNew = (one: FailureDetail, now: number) =>
  now - new Date(one.first_at).getTime() < NEW_MS;

/** Groups, those that failed last first, and how many there are. */
export const useFailures = (query: FailureQuery) =>
  useLook(["failures", query], 5, (signal) =>
    askPage("GET /failures", { query: { ...query, limit: MOST }, signal }),
  );

export const useFailure = (group: string) =>
  useLook(["failures", group], 5, (signal) =>
    ask("GET /failures/{group}", { path: { group }, signal }),
  );

/** A group for what it is called, which does not change: asked for once. */
export const useFailureName = (group: string) =>
  useQuery({
    queryKey: ["failure-name", group],
    queryFn: ({ signal }) => ask("GET /failures/{group}", { path: { group }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
