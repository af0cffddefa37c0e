export { Cluster } from './cluster.ts'
export type { ClusterEvents } from './cluster-events.ts'
export type { ClusterOptions } from './cluster-options.ts'
export { ClusterError, errorCodes, type ErrorCode, type ErrorDetails } from './errors.ts'
export { artifact, type ArtifactOptions, type ArtifactOutput } from './step/artifact.ts'
export { defineSource } from './artifact/define-source.ts'
export { call, type CallOptions } from './step/call.ts'
export { command } from './step/command.ts'
export { deployed, type DeployedOptions, type DeployedOutput } from './step/deployed.ts'
export {
  defineProcess,
  isProcess,
  type Process,
  type ProcessDefinition,
} from './step/define-process.ts'
export type {
  FileEntry,
  FileReceiver,
  FoundVersion,
  Source,
  SourceContext,
  SourceType,
} from './artifact/source.ts'
export type { Duration } from './base/duration.ts'
export type { Finding, FindingLevel } from './base/finding.ts'
export type { LogStream } from './base/log-sink.ts'
export type { Logger } from './base/logger.ts'
export type { CancelAnswer } from './db/cancel.ts'
export type { FailureReason, Outcome } from './base/record.ts'
export type { NodeHistoryEntry, NodeEvent } from './db/node-history.ts'
export type { NodeRecord, NodeState, NodeStatus, SuspensionReason } from './db/nodes.ts'
export type { Suspension, SuspensionKind } from './db/suspensions.ts'
export type { CallerTransaction, Enqueued } from './db/requests.ts'
export type {
  RequestRecord,
  RequestState,
  RequestSummary,
  StepStatus,
  StoredError,
  TakenVersion,
} from './db/status.ts'
export type { BatchOptions, RequestOptions, RequestToEnqueue } from './enqueue.ts'
export type {
  DrainOptions,
  OrderAnswer,
  OrderOptions,
  ResumeAnswer,
  ResumeOptions,
  RetireOptions,
  SuspendOptions,
} from './node-orders.ts'
export type { LogEntry } from './follow-log.ts'
export type { RequestFilter, RequestId } from './query.ts'
export type { StandardSchemaV1 } from './step/standard-schema.ts'
export type { Step, StepContext } from './step/step.ts'
export type { WaitOptions } from './wait-for-finish.ts'
export type { ComponentOptions } from './artifact/component.ts'
export type {
  FetchedVersion,
  FetchOptions,
  VerifiedStore,
  VerifyAllOptions,
} from './component-files.ts'
export type { Components } from './components.ts'
export type { ComponentWaitOptions } from './wait-for-answer.ts'
export type { ComponentSummary } from './db/component/components.ts'
export type { InventoryLine, InventoryOptions } from './db/component/inventory.ts'
export type { ImportLogLine } from './db/component/log.ts'
export type { CancelledImport, ImportCancelAnswer } from './db/component/cancel-import.ts'
export type { VersionState, VersionSummary } from './db/component/versions.ts'
