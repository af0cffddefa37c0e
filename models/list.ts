/**
 * A model, and each guard with the property that must fail when it is taken away. Two that hold are no guards alone:
 * `G=D RENEWED`, for where each refusal counts for F only, a grace of D is enough; and `POOL`, for a publication is kept
 * to once by the attempt that must be open, too.
 */
export interface Model {
  readonly name: string
  readonly guards: Readonly<Record<string, string>>
}

export const models: readonly Model[] = [
  {
    name: 'claim',
    guards: {
      NO_ROW_LOCK: 'twice',
      NO_READ_BACK: 'stuck',
      NO_TOKEN_IN_READ_BACK: 'twice',
      NO_STARTED_SET: 'twice',
      NO_RUNNING_IN_FINISH: 'changed',
      NO_FINISH_READ_BACK: 'told',
      NO_SHARE_LOCK: 'stuck',
      ONE_STATEMENT: 'stuck',
      NO_FENCE_BEFORE_START: 'foreign',
      NO_ROW_IN_CANCEL: 'foreign',
      NO_GATE_IN_CLAIM: 'stuck',
      NO_WAIT_IN_SUSPEND: 'stuck',
      NO_WAIT_BEFORE_ACKNOWLEDGEMENT: 'suspended',
    },
  },
  {
    name: 'lease',
    guards: {
      COUNT_FROM_ANSWER: 'alive',
      LATE_GUARDIAN: 'alive',
      NO_FENCE: 'alive',
      NO_GUARDIAN: 'alive',
      NO_SESSION_COUNT: 'alive',
      NO_IDLE_TIMEOUT: 'late',
      NO_STUCK_CHECK: 'late',
      NO_WAIT: 'alive',
      RELATIVE_DEADLINE: 'alive',
      REPORT_FIRST: 'alive',
      SPARE_SERVER: 'alive',
      STOPPED_TOGETHER: 'alive',
    },
  },
  {
    name: 'outage',
    guards: {
      NO_GRACE: 'alive',
      'G=D': 'alive',
      'G=D RENEWED': 'holds',
      'NEW_LIFE RENEWED': 'holds',
      'NEW_LIFE AGAIN RENEWED': 'alive',
      'NO_NEW_CONNECTION RENEWED': 'alive',
      NO_NEW_CONNECTION: 'alive',
      START_TIME_ONLY: 'alive',
      FIRST_HOST: 'alive',
      FALSE_REFUSAL: 'alive',
    },
  },
  {
    name: 'import',
    guards: {
      POOL: 'holds',
      'POOL NO_OPEN_CHECK': 'torn',
      'POOL NO_OPEN_CHECK NO_KEY NO_WISH_IN_PUBLISH NO_SWEEPER': 'twice',
      'POOL SWEEP_OPEN': 'torn',
      SEAL_AFTER: 'torn',
      NO_READ_BACK: 'torn',
      REUSED_KEYS: 'torn',
      NO_FULL_SWEEP: 'left',
      NO_WISH_IN_PUBLISH: 'against',
      NO_WISH_LOCK: 'goes',
      ONE_STATEMENT: 'goes',
    },
  },
]
