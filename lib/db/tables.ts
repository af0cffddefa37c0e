import { ClusterError } from '../errors.ts'

/** The names of everything in one installation's schema, quoted and qualified, for use in SQL texts. */
export interface Tables {
  readonly schema: string
  readonly node: string
  readonly incarnation: string
  readonly witness: string
  readonly era: string
  readonly suspension: string
  readonly nodeHistory: string
  readonly process: string
  readonly lane: string
  readonly request: string
  /** As text for `nextval`. */
  readonly requestId: string
  readonly scheduled: string
  readonly queue: string
  readonly running: string
  readonly finished: string
  /** Of all steps. */
  readonly step: string
  readonly stepRecord: string
  readonly log: string
  readonly requestStatus: string
  readonly enqueueBatch: string
  readonly cancel: string
  readonly promote: string
  readonly claim: string
  readonly finish: string
  readonly setting: string
  readonly component: string
  readonly versionCheck: string
  readonly checkSchedule: string
  readonly version: string
  readonly wantedImport: string
  readonly importGap: string
  readonly importAttempt: string
  readonly importLog: string
  readonly object: string
  readonly publication: string
  readonly versionFile: string
  readonly removedPublication: string
  readonly looseObject: string
  readonly doomedObject: string
  readonly versionStatus: string
  readonly versionUse: string
  readonly inventory: string
  readonly storedObject: string
  readonly migrations: string
}

/**
 * @param schema a plain lower-case PostgreSQL identifier of at most 41 characters
 * @throws {ClusterError} CW_OPTION when it is none
 */
export function tablesOf(schema: string): Tables {
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(schema) || schema.startsWith('pg_'))
    throw new ClusterError(
      'CW_OPTION',
      `expected schema to be a lower-case PostgreSQL identifier of at most 41 characters that does not begin with pg_, got '${schema.slice(0, 60)}'`,
      { field: 'schema' },
    )
  const name = (table: string): string => `"${schema}".${table}`
  return {
    schema: `"${schema}"`,
    node: name('node'),
    incarnation: name('incarnation'),
    witness: name('witness'),
    era: name('era'),
    suspension: name('suspension'),
    nodeHistory: name('node_history'),
    process: name('process'),
    lane: name('lane'),
    request: name('request'),
    requestId: `'${name('request_id')}'`,
    scheduled: name('scheduled'),
    queue: name('queue'),
    running: name('running'),
    finished: name('finished'),
    step: name('step'),
    stepRecord: name('step_record'),
    log: name('log'),
    requestStatus: name('request_status'),
    enqueueBatch: name('enqueue_batch'),
    cancel: name('cancel'),
    promote: name('promote'),
    claim: name('claim'),
    finish: name('finish'),
    setting: name('setting'),
    component: name('component'),
    versionCheck: name('version_check'),
    checkSchedule: name('check_schedule'),
    version: name('version'),
    wantedImport: name('wanted_import'),
    importGap: name('import_gap'),
    importAttempt: name('import_attempt'),
    importLog: name('import_log'),
    object: name('object'),
    publication: name('publication'),
    versionFile: name('version_file'),
    removedPublication: name('removed_publication'),
    looseObject: name('loose_object'),
    doomedObject: name('doomed_object'),
    versionStatus: name('version_status'),
    versionUse: name('version_use'),
    inventory: name('inventory'),
    storedObject: name('stored_object'),
    migrations: name('migration'),
  }
}
