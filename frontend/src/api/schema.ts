// Made from the OpenAPI document by scripts/dashboard_types.py (`make types`); not to be edited.

/** A parameter of a task's function, and what the task was given for it. */
export interface ArgumentInfo {
  name: string;
  /** A `list` takes all further positional arguments, an `object` further keywords */
  kind: "one" | "list" | "object";
  required: boolean;
  /** JSON Schema; null: not known */
  form: Record<string, unknown> | null;
  /** As JSON; null: none, or none that JSON can say */
  default: string | null;
  /** The task did not have the default */
  given: boolean;
  /** As JSON, whose numbers are exact; null where it is secret or has no such form */
  value: string | null;
  secret: boolean;
}

/** An attempt that has ended, beside the one that the task's own fields show. */
export interface AttemptInfo {
  /** Attempts that had failed before it */
  number: number;
  instance: string | null;
  started_at: string | null;
  /** ISO 8601 with offset, UTC */
  ended_at: string;
  /** Seconds */
  duration: number | null;
  outcome: string;
  error: string | null;
  stacktrace: string | null;
  /** It ended after another instance had taken over; ignored */
  late: boolean;
  /** The group of its failure */
  failure: string | null;
}

/** An entry that is not as it was written, or does not follow the one before it. */
export interface AuditBreak {
  entry_id: string;
  reason: string;
}

/** Whether the audit is as it was written. Its newest entries may have been cut off, or all of it written anew, only if `head` is not what was kept of it elsewhere. */
export interface AuditCheckInfo {
  checked: number;
  /** Entries from before there were hashes */
  unchained: number;
  /** The newest hash */
  head: string | null;
  /** The first entry that does not fit */
  broken: AuditBreak | null;
  /** False: older entries were not looked at */
  whole: boolean;
}

/** One act of an operator. `task_id` is the name of a queue or schedule that was acted on, and `history`, `bulk-retry` or `retry-failed` where many tasks were, and `session` where somebody signed in or out. */
export interface AuditInfo {
  entry_id: string;
  action: string;
  task_id: string;
  actor: string;
  /** ISO 8601 with offset, UTC */
  timestamp: string;
  detail: Record<string, unknown>;
  /** Over this entry and the hash of the one before. Null: it is from before there were hashes */
  hash: string | null;
}

/** How many attempts failed in one span of time. */
export interface BarInfo {
  /** ISO 8601 with offset, UTC */
  start: string;
  count: number;
}

/** How far a batch has come. A task that was retried counts as its retry does. */
export interface BatchInfo {
  id: string;
  /** Its tasks run one after the other */
  chain: boolean;
  total: number;
  pending: number;
  running: number;
  success: number;
  /** Interrupted ones too */
  failed: number;
  cancelled: number;
  /** All have ended */
  done: boolean;
  /** ISO 8601 with offset, UTC */
  created_at: string;
  ended_at: string | null;
  tags: Record<string, string>;
}

/** Tasks that ended within one span of time. */
export interface BucketInfo {
  /** ISO 8601 with offset, UTC */
  start: string;
  success: number;
  failed: number;
  interrupted: number;
  cancelled: number;
  rejected: number;
  avg_duration_seconds: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p50: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p95: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p99: number | null;
  /** Seconds that so many percent of the tasks that started then, and have ended, had been due when they started; of a retried task its last attempt. Within 4.5 % */
  wait_p50: number | null;
  /** Seconds that so many percent of the tasks that started then, and have ended, had been due when they started; of a retried task its last attempt. Within 4.5 % */
  wait_p95: number | null;
  /** Seconds that so many percent of the tasks that started then, and have ended, had been due when they started; of a retried task its last attempt. Within 4.5 % */
  wait_p99: number | null;
  /** For how long the first of the tasks that waited at the bucket's end had been due; of what started since within one bucket's length; 0 if none waited; null with `func_name` */
  oldest_seconds: number | null;
}

/** An action on many tasks. It goes on whatever becomes of who asked for it. */
export interface BulkDetail {
  bulk_id: string;
  action: string;
  filter: Record<string, unknown>;
  /** `running`, `done` or `cancelled` */
  status: string;
  actor: string;
  /** ISO 8601 with offset, UTC */
  created_at: string;
  ended_at: string | null;
  /** Tasks that matched so far */
  found: number;
  /** Of these: retried, cancelled, or asked to stop */
  done: number;
  /** Of these: ended or retried meanwhile, their arguments are not stored, or another task has their idempotency key */
  refused: number;
  /** The first 100 of them, with the reason */
  refusals: SkippedTask[];
}

/** How many tasks an action would be done to. */
export interface BulkPreviewInfo {
  count: number;
  /** Counting stopped there */
  more: boolean;
  /** As `before` of the action: what comes later is left alone */
  at: string;
}

/** What is to be done, to which tasks. */
export interface BulkRequest {
  action: "retry" | "cancel";
  /** As in the list of tasks; at least one beside `status`. Left out, `status` is failed and interrupted, or pending and running */
  filter: TaskChoice;
}

/** What became of the tasks. Those that were skipped are as they were. */
export interface BulkRetryInfo {
  dispatched: number;
  skipped: number;
  results: RetriedTask[];
  /** The first 1000 that were skipped */
  refusals: SkippedTask[];
  /** There may be more: give it to the next call. Null: that was all */
  cursor: string | null;
}

/** The same, bound to what was counted. */
export interface BulkStart {
  action: "retry" | "cancel";
  /** As in the list of tasks; at least one beside `status`. Left out, `status` is failed and interrupted, or pending and running */
  filter: TaskChoice;
  /** Only tasks made before, for a retry also ended before: give `at` of the preview, and it is done to none that was not counted */
  before?: string | null;
}

/** New values by parameter, in plain JSON. One that is left out stays as it was. */
export interface ChangedArguments {
  arguments?: Record<string, unknown>;
}

/** The task of the last failure of a group. */
export interface ExampleInfo {
  task_id: string;
  title: string | null;
  /** Its text, cut; null if the task ended otherwise since */
  error: string | null;
}

/** A place where functions run: event loop, threads, child processes, or the app's own. */
export interface ExecutorInfo {
  name: string;
  /** Runs that it takes at a time; null: any number */
  slots: number | null;
  /** Null: only that process knows */
  running: number | null;
}

/** Attempts that failed alike: of one function, with one class, through the same frames. */
export interface FailureDetail {
  group: string;
  func_name: string;
  /** The exception's class */
  kind: string;
  /** ISO 8601 with offset, UTC */
  first_at: string;
  /** ISO 8601 with offset, UTC */
  last_at: string;
  /** Attempts, since the group was first seen */
  count: number;
  /** Attempts within the trend */
  recent: number;
  /** Without gaps, the oldest first */
  trend: BarInfo[];
  /** Null: its record is deleted */
  example: ExampleInfo | null;
  /** How many tasks ended so and were not retried, `10000+` where counting stopped; of a single group only */
  to_retry: string | null;
}

/** One thing that the store's server or file says of its state. */
export interface FindingInfo {
  check: string;
  level: "ok" | "note" | "warning" | "problem";
  detail: string;
  /** What to do; null: nothing */
  mend: string | null;
}

/** One function: its settings, the totals of its tasks, and who can run them. */
export interface FunctionDetail {
  func_name: string;
  pending: number;
  running: number;
  ended: number;
  success: number;
  failed: number;
  success_rate: number;
  avg_duration_seconds: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p50: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p95: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p99: number | null;
  /** As this process has it; null where it is not registered here */
  settings: FunctionSettings | null;
  /** Null: nothing ended */
  last_hour: HourInfo | null;
  /** Ids of the instances that can run it */
  instances: string[];
  /** Tasks of it wait, and no instance can run them */
  stranded: boolean;
  /** Why the process that answers cannot read stored tasks of it, which wait for an instance that can */
  unreadable: string | null;
}

/** Totals of one function. */
export interface FunctionInfo {
  func_name: string;
  pending: number;
  running: number;
  ended: number;
  success: number;
  failed: number;
  success_rate: number;
  avg_duration_seconds: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p50: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p95: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p99: number | null;
}

/** How a function's tasks run. Spans are in seconds. */
export interface FunctionSettings {
  executor: string;
  /** Null: the default queue */
  queue: string | null;
  priority: number | null;
  eager: boolean;
  persist: boolean;
  requeue_on_interrupt: boolean;
  retries: number;
  delay: number;
  backoff: number;
  max_delay: number | null;
  jitter: number;
  timeout: number | null;
  /** Bytes */
  memory_limit: number | null;
  /** Null: as long as the record */
  result_ttl: number | null;
}

/** Whether this instance is ready, and what it knows of itself. Where no engine runs, everything but `status`, `reasons`, `draining`, `store` and `damaged` is null. */
export interface HealthInfo {
  /** `degraded`: ready, but somebody should see to the reasons */
  status: "ok" | "degraded" | "unavailable";
  /** Why it is not ready, or not well */
  reasons: string[];
  /** Durability of accepted tasks */
  grade: "A" | "B" | "C" | null;
  grade_means: string | null;
  instance: string | null;
  draining: boolean;
  store: "ok" | "unavailable";
  /** Seconds by which the event loop answered late at the last heartbeat */
  lag: number | null;
  /** Ends of tasks that wait to be stored */
  unsettled: number | null;
  /** The event loop is later than `max_loop_lag`: no task starts here */
  strained: boolean | null;
  /** Ends that came after the task was taken over; ignored */
  late: number | null;
  /** Observers were too slow for so many events */
  events_dropped: number | null;
  /** States of persist=False tasks that were never stored */
  states_dropped: number | null;
  /** By function, why this process cannot read its stored tasks, which wait for an instance that can: one with newer code, or with the key */
  unreadable: Record<string, string> | null;
  /** Such states that were stored without a value that cannot be */
  states_cut: number | null;
  /** Of this process */
  executors: ExecutorInfo[] | null;
  /** What the store says of its own state, up to a minute old */
  store_findings: FindingInfo[] | null;
  /** Ids of tasks that somebody damaged in the store, the latest that were met */
  damaged: string[];
}

/** What a function's tasks came to in the last hour. */
export interface HourInfo {
  success: number;
  failed: number;
  /** Interrupted, cancelled or rejected */
  other: number;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p50: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p95: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p99: number | null;
}

/** A process that works on the store. One that died stays until another has recovered it. */
export interface InstanceDetail {
  instance_id: string;
  host: string;
  pid: number;
  /** ISO 8601 with offset, UTC */
  started_at: string;
  roles: string[];
  /** Of the library; null: it does not say */
  version: string | null;
  /** How many registered functions it has */
  functions: number;
  /** Seconds by which its event loop answered late */
  lag: number;
  /** Functions that ran in it at its last heartbeat */
  running: number;
  /** It stops, and takes nothing on */
  draining: boolean;
  /** Since its start; one that does not grow is in trouble */
  heartbeats: number;
  /** It is the one that answers */
  this: boolean;
  executors: ExecutorInfo[];
}

/** The process answers. */
export interface LiveInfo {
  status?: "ok";
}

/** A line of a task's log, or a mark: a retry begins, or older lines were dropped. */
export interface LogEntryInfo {
  /** From 1; lines that were dropped count */
  number: number;
  /** To the second; null for a mark */
  timestamp: string | null;
  /** Null for a mark */
  level: "debug" | "info" | "warning" | "error" | "critical" | null;
  message: string;
}

/** Totals over all time, deleted tasks included. */
export interface MetricsInfo {
  total: number;
  success: number;
  failed: number;
  running: number;
  pending: number;
  interrupted: number;
  cancelled: number;
  rejected: number;
  /** 0 to 1, of the tasks that succeeded or failed */
  success_rate: number;
  avg_duration_seconds: number | null;
  functions: FunctionInfo[];
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p50: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p95: number | null;
  /** Seconds, within 4.5 %, that so many percent of the tasks that succeeded or failed did not exceed; null without any */
  p99: number | null;
  /** Null without `bucket` */
  series: SeriesInfo | null;
}

/** Nothing of it starts, on any instance. */
export interface PauseInfo {
  kind: "queue" | "function" | "key" | "tag";
  value: string;
}

/** What to pause or resume; exactly one. */
export interface PauseRequest {
  queue?: string;
  func_name?: string;
  /** An order key, as in `order_key` of a task */
  key?: string;
  /** `name:value` */
  tag?: string;
}

/** How many tasks it would be done to now. */
export interface PreviewInfo {
  count: number;
  /** Counting stopped there */
  more: boolean;
}

/** How far a task has come, in units of its own. */
export interface ProgressInfo {
  done: number;
  total: number | null;
  message: string | null;
}

/** How many records of ended tasks were deleted. */
export interface PurgeInfo {
  /** Tasks in all, each counted once */
  deleted: number;
  /** In the memory of the process that answers */
  store: number;
  backend: number;
}

/** New limits of a queue. A field left out stays as it is, null takes the limit away. */
export interface QueueChanges {
  concurrency?: number | null;
  max_size?: number | null;
  global_concurrency?: number | null;
  /** Such as "100/m" */
  rate_limit?: string | null;
}

/** One queue: its limits, and its tasks on all instances. A null limit is none. */
export interface QueueInfo {
  name: string;
  concurrency: number | null;
  max_size: number | null;
  paused: boolean;
  /** It takes nothing new until it is resumed */
  draining?: boolean;
  /** It drains, and nothing waits or runs */
  drained?: boolean;
  global_concurrency?: number | null;
  rate_limit?: string | null;
  pending: number;
  running: number;
  finished: number;
  rejected: number;
  /** When the first of its tasks fell due that have not started; null: none is due */
  waiting_since: string | null;
  /** Of the functions that it has tasks of, as far as this process knows them. Slots are those of all instances together, and other queues use them too */
  executors: ExecutorInfo[];
}

/** A task and its retry. */
export interface RetriedTask {
  original_task_id: string;
  new_task_id: string;
}

/** One schedule. Spans are in seconds. */
export interface ScheduleDetail {
  name: string;
  func_name: string;
  every: number | null;
  cron: string | null;
  timezone: string;
  /** When it runs, in plain words */
  description: string;
  start: string | null;
  end: string | null;
  jitter: number;
  misfire: string;
  grace: number | null;
  overlap: string;
  queue: string;
  priority: number | null;
  /** `code`, or `stored` if it was made while the app ran */
  origin: string;
  paused: boolean;
  /** It is gone from the code, and does not run */
  retired: boolean;
  /** The next ten; none while paused or retired */
  next_runs: string[];
  /** The last ten, the newest first */
  last_slots: SlotDetail[];
}

/** A run that was asked for. */
export interface ScheduleRun {
  task_id: string;
}

/** Buckets without gaps, the oldest first. */
export interface SeriesInfo {
  bucket: string;
  /** The first bucket begins here */
  since: string;
  /** The last one ends here */
  until: string;
  buckets: BucketInfo[];
}

/** A task to which it was not done. */
export interface SkippedTask {
  task_id: string;
  reason: string;
}

/** An instant of a schedule, or a run that somebody asked for. */
export interface SlotDetail {
  /** ISO 8601 with offset, UTC */
  at: string;
  /** `slot`, `manual`, `startup`; `missed` or `overlap`: it was left out */
  kind: string;
  task_id: string | null;
  /** Of its task; null where there is none any more */
  status: string | null;
}

/** The task that an operation made or changed, and its id. */
export interface TaskAction {
  task_id: string;
  task: TaskInfo;
}

/** Tasks for which everything given holds. */
export interface TaskChoice {
  /** Any of these */
  status?: TaskStatus[];
  func_name?: string | null;
  queue?: string | null;
  /** `key:value`, both exact; the key ends at the first colon */
  tag?: string | null;
  /** Start of the id or of the function's name, the last 8 characters of the id, an exact tag value, or part of the title, summary or error text of one of the newest 10,000 tasks */
  q?: string | null;
  source?: string | null;
  /** Made at or after */
  since?: string | null;
  /** Made before */
  until?: string | null;
  /** Whose last attempt failed, in this group */
  failure?: string | null;
  /** Of this batch or chain, its callbacks too */
  batch?: string | null;
  /** Of this order key, those that have ended too; as in `order_key` of a task */
  key?: string | null;
}

/** One task with its history. */
export interface TaskDetail {
  task_id: string;
  func_name: string;
  status: TaskStatus;
  /** ISO 8601 with offset, UTC */
  created_at: string;
  start_time: string | null;
  end_time: string | null;
  /** Seconds that the last attempt took */
  duration: number | null;
  retries_used: number;
  error: string | null;
  /** What the task said. Empty in brief lists */
  logs: string[];
  /** Of the last attempt that failed. Null in brief lists */
  stacktrace: string | null;
  tags: Record<string, string>;
  source: string;
  priority: number | null;
  executor: string | null;
  queue: string;
  /** The task that this one retries, by hand */
  retry_of: string | null;
  retried_as: string | null;
  /** The task that its idempotency key led to */
  duplicate_of: string | null;
  instance: string | null;
  /** A pending task starts no earlier */
  due_at: string | null;
  /** The batch or chain that it is part of */
  batch_id: string | null;
  /** What its function reported last */
  progress: ProgressInfo | null;
  /** Made of its arguments, as its function's settings say */
  title: string | null;
  /** What its function said of its work */
  summary: string | null;
  /** The group of its last failure; see `/failures` */
  failure: string | null;
  /** Tasks of one key run one at a time, in order */
  order_key: string | null;
  /** What a waiting task waits for */
  waiting_for: WaitingInfo | null;
  /** Of the lines of `logs`, one for each; null for a mark of the library */
  log_levels: ("debug" | "info" | "warning" | "error" | "critical" | null)[];
  attempts: AttemptInfo[];
  durable: boolean;
  cancel_requested: boolean;
  /** It waits, and no live instance knows its function */
  stranded: boolean;
  /** Arguments and log lines are left out, because a viewer asks */
  contents_hidden: boolean;
  /** As Python would write them; with display_func_args only */
  args?: string[] | null;
  /** With display_func_args only */
  kwargs?: Record<string, string> | null;
  /** As Python would write it; with display_func_args only */
  result?: string | null;
  /** Why there is no result of a success */
  result_missing: string | null;
}

/** Tasks to retry. One that is named twice counts once. */
export interface TaskIds {
  task_ids: string[];
}

/** One task. */
export interface TaskInfo {
  task_id: string;
  func_name: string;
  status: TaskStatus;
  /** ISO 8601 with offset, UTC */
  created_at: string;
  start_time: string | null;
  end_time: string | null;
  /** Seconds that the last attempt took */
  duration: number | null;
  retries_used: number;
  error: string | null;
  /** What the task said. Empty in brief lists */
  logs: string[];
  /** Of the last attempt that failed. Null in brief lists */
  stacktrace: string | null;
  tags: Record<string, string>;
  source: string;
  priority: number | null;
  executor: string | null;
  queue: string;
  /** The task that this one retries, by hand */
  retry_of: string | null;
  retried_as: string | null;
  /** The task that its idempotency key led to */
  duplicate_of: string | null;
  instance: string | null;
  /** A pending task starts no earlier */
  due_at: string | null;
  /** The batch or chain that it is part of */
  batch_id: string | null;
  /** What its function reported last */
  progress: ProgressInfo | null;
  /** Made of its arguments, as its function's settings say */
  title: string | null;
  /** What its function said of its work */
  summary: string | null;
  /** The group of its last failure; see `/failures` */
  failure: string | null;
  /** Tasks of one key run one at a time, in order */
  order_key: string | null;
  /** What a waiting task waits for */
  waiting_for: WaitingInfo | null;
}

export type TaskStatus = "pending" | "running" | "success" | "failed" | "interrupted" | "cancelled" | "rejected";

/** Why a request was refused. */
export interface TaskflowProblem {
  detail: string;
  /** The task in the way: the retry that exists, or who holds the key */
  task_id?: string | null;
}

/** The first thing that is in a waiting task's way. */
export interface WaitingInfo {
  /** no_instance, paused, key, rate_limit, retry, schedule, date, global_limit, queue_full, loop_lag or slot */
  reason: string;
  /** For people */
  text: string;
  /** Tasks of its key before it */
  ahead: number | null;
  /** About how long, as far as that can be told */
  seconds: number | null;
}

/** By method and path beside the admin's own. */
export interface Routes {
  "GET ": { query: { status?: TaskStatus[]; func_name?: string | null; queue?: string | null; tag?: string | null; q?: string | null; source?: string | null; since?: string | null; until?: string | null; failure?: string | null; batch?: string | null; key?: string | null; limit?: number; cursor?: string | null; brief?: boolean }; body: undefined; answer: TaskInfo[] };
  "GET /audit": { query: { limit?: number; cursor?: string | null }; body: undefined; answer: AuditInfo[] };
  "GET /audit/verify": { query: { most?: number }; body: undefined; answer: AuditCheckInfo };
  "GET /batches": { query: { limit?: number; cursor?: string | null }; body: undefined; answer: BatchInfo[] };
  "GET /batches/{batch_id}": { query: Record<string, never>; body: undefined; answer: BatchInfo };
  "POST /batches/{batch_id}/cancel": { query: Record<string, never>; body: undefined; answer: BatchInfo };
  "POST /batches/{batch_id}/retry": { query: Record<string, never>; body: undefined; answer: BulkRetryInfo };
  "GET /bulk": { query: { limit?: number }; body: undefined; answer: BulkDetail[] };
  "POST /bulk": { query: Record<string, never>; body: BulkStart; answer: BulkDetail };
  "POST /bulk-retry": { query: Record<string, never>; body: TaskIds; answer: BulkRetryInfo };
  "POST /bulk/preview": { query: Record<string, never>; body: BulkRequest; answer: BulkPreviewInfo };
  "GET /bulk/{bulk_id}": { query: Record<string, never>; body: undefined; answer: BulkDetail };
  "POST /bulk/{bulk_id}/cancel": { query: Record<string, never>; body: undefined; answer: BulkDetail };
  "GET /export.csv": { query: { status?: TaskStatus[]; func_name?: string | null; queue?: string | null; tag?: string | null; q?: string | null; source?: string | null; since?: string | null; until?: string | null; failure?: string | null; batch?: string | null; key?: string | null }; body: undefined; answer: undefined };
  "GET /failures": { query: { func_name?: string | null; since?: string | null; q?: string | null; trend?: "hour" | "day"; limit?: number }; body: undefined; answer: FailureDetail[] };
  "GET /failures/{group}": { query: Record<string, never>; body: undefined; answer: FailureDetail };
  "POST /failures/{group}/retry": { query: { before?: string | null }; body: undefined; answer: BulkDetail };
  "GET /functions": { query: Record<string, never>; body: undefined; answer: FunctionDetail[] };
  "GET /health": { query: Record<string, never>; body: undefined; answer: HealthInfo };
  "GET /health/live": { query: Record<string, never>; body: undefined; answer: LiveInfo };
  "DELETE /history": { query: { value: number; unit: "min" | "hour" | "day" }; body: undefined; answer: PurgeInfo };
  "GET /history/preview": { query: { value: number; unit: "min" | "hour" | "day" }; body: undefined; answer: PreviewInfo };
  "GET /instances": { query: Record<string, never>; body: undefined; answer: InstanceDetail[] };
  "GET /metrics": { query: { bucket?: "minute" | "5min" | "hour" | "day" | null; since?: string | null; until?: string | null; func_name?: string | null }; body: undefined; answer: MetricsInfo };
  "GET /pauses": { query: Record<string, never>; body: undefined; answer: PauseInfo[] };
  "POST /pauses": { query: Record<string, never>; body: PauseRequest; answer: PauseInfo[] };
  "POST /pauses/resume": { query: Record<string, never>; body: PauseRequest; answer: PauseInfo[] };
  "GET /queues": { query: Record<string, never>; body: undefined; answer: QueueInfo[] };
  "PATCH /queues/{name}": { query: Record<string, never>; body: QueueChanges; answer: QueueInfo };
  "POST /queues/{name}/drain": { query: Record<string, never>; body: undefined; answer: QueueInfo };
  "POST /queues/{name}/pause": { query: Record<string, never>; body: undefined; answer: QueueInfo };
  "POST /queues/{name}/resume": { query: Record<string, never>; body: undefined; answer: QueueInfo };
  "POST /retry-failed": { query: { since?: string | "all"; func_name?: string | null; cursor?: string | null }; body: undefined; answer: BulkRetryInfo };
  "GET /schedules": { query: { limit?: number; cursor?: string | null }; body: undefined; answer: ScheduleDetail[] };
  "POST /schedules/{name}/pause": { query: Record<string, never>; body: undefined; answer: ScheduleDetail };
  "POST /schedules/{name}/resume": { query: Record<string, never>; body: undefined; answer: ScheduleDetail };
  "POST /schedules/{name}/run": { query: Record<string, never>; body: undefined; answer: ScheduleRun };
  "GET /{task_id}": { query: Record<string, never>; body: undefined; answer: TaskDetail };
  "GET /{task_id}/arguments": { query: Record<string, never>; body: undefined; answer: ArgumentInfo[] };
  "POST /{task_id}/cancel": { query: Record<string, never>; body: undefined; answer: TaskAction };
  "GET /{task_id}/logs": { query: { level?: "debug" | "info" | "warning" | "error" | "critical"; after?: number }; body: undefined; answer: LogEntryInfo[] };
  "POST /{task_id}/retry": { query: Record<string, never>; body: undefined; answer: TaskAction };
  "POST /{task_id}/run-again": { query: Record<string, never>; body: ChangedArguments; answer: TaskAction };
}
