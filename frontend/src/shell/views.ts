/** The views, in the order of the menu. */
export const VIEWS = [
  { path: "", title: "Overview" },
  { path: "tasks", title: "Tasks" },
  { path: "failures", title: "Failures" },
  { path: "queues", title: "Queues" },
  { path: "schedules", title: "Schedules" },
  { path: "functions", title: "Functions" },
  { path: "instances", title: "Instances" },
  { path: "audit", title: "Audit" },
] as const;
