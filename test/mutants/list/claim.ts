import type { Mutant } from '../mutant.ts'

const file = 'migrations/016_functions_of_servers.sql'
const claimer = 'lib/loop/claimer.ts'

/** A request is started at most once, by a server that may, and no more of them than there are slots. */
export const claimMutants: readonly Mutant[] = [
  {
    name: 'claim without SKIP LOCKED',
    story: 'a row that a dead or slow session has locked holds up the claims of the whole cluster',
    seen: ['quartznet/quartznet#3764', 'taskcluster/taskcluster#2612'],
    file,
    find: 'for update skip locked\n    ) as locked',
    replace: 'for update\n    ) as locked',
    test: 'test/db/claim-races.test.ts',
    subtest: 'a claim that comes second does not wait for the cancel, and takes the others',
  },
  {
    name: 'claim by IN (… LIMIT)',
    story: 'under some plans the limited part runs more than once, and more is claimed than asked',
    seen: ['saurabhnanda/odd-jobs#115', 'QueueClassic/queue_classic#320'],
    file,
    find: `where ctid = any (places)`,
    replace: `
        where id in (
          select id from queue where lane = any (served_lanes)
          order by -priority::integer, id limit most for update skip locked)`,
    test: 'test/db/claim-plans.test.ts',
    subtest: 'no plan makes a claim take more than asked, or anything twice',
  },
  {
    name: 'claim beyond its limit',
    story: 'the limit counts for each part of the claim, not for all of it',
    seen: ['janus#1470', 'relay-rs#22'],
    file,
    find: `) as locked
    limit most`,
    replace: ') as locked',
    test: 'test/db/claim-plans.test.ts',
    subtest: 'no plan makes a claim take more than asked, or anything twice',
  },
  {
    name: 'claim planned by what there was',
    story:
      'a burst of requests comes to an idle server, whose claims then read the whole queue, each of them',
    seen: [
      'kestra-io/kestra#1121',
      'sourcegraph/sourcegraph-public-snapshot#37462',
      'filecoin-project/curio#1465',
    ],
    file,
    find: `input jsonb)
language plpgsql
set search_path from current
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off`,
    replace: `input jsonb)
language plpgsql
set search_path from current`,
    test: 'test/db/stale-plans.test.ts',
    subtest: 'a session that found an empty queue of 1 lanes reads no more of a long one',
  },
  {
    name: 'claim for the dead',
    story: 'a server that was declared lost wakes up, and goes on claiming',
    seen: ['rails/solid_queue#337', 'OptimalBits/bull#1416'],
    file,
    find: `state = 'alive' and accepting`,
    replace: 'accepting',
    test: 'test/db/claim-races.test.ts',
    subtest: 'a claim that comes after the declaration waits for it and takes nothing',
  },
  {
    name: 'claim without the share lock',
    story: 'a claim under way when its server is declared lost leaves rows that nobody ever fails',
    seen: ['dbos-inc/dbos-transact-py#742', 'oban-bg/oban#862'],
    file,
    find: 'accepting for share',
    replace: 'accepting',
    test: 'test/db/claim-races.test.ts',
    subtest: 'a declaration waits for a claim that is under way, and fails what it took',
  },
  {
    name: 'claim while suspended',
    story: 'a server claims after it was told not to, because only the server itself looks',
    seen: ['timgit/pg-boss#421'],
    file,
    find: `state = 'alive' and accepting`,
    replace: `state = 'alive'`,
    test: 'test/db/suspension-races.test.ts',
    subtest: 'a claim that comes second waits for the suspension, and takes nothing',
  },
  {
    name: 'claim more than the free slots',
    story: 'what is claimed in advance waits in a server that may die, instead of in the queue',
    seen: ['graphile/worker#352'],
    file: claimer,
    find: 'Math.min(this.#free, largestClaim)',
    replace: 'largestClaim',
    test: 'test/loop/claimer.test.ts',
    subtest: 'claims as many as there are slots, and says when to look again',
  },
  {
    name: 'token from a counter',
    story: 'the counter begins anew, and an old token is taken for the present one',
    seen: ['wavect/semaprax#192'],
    file: claimer,
    find: 'const token = randomUUID()',
    replace: 'const token = randomUUID().replace(/.*/, "00000000-0000-4000-8000-000000000001")',
    test: 'test/loop/claimer.test.ts',
    subtest: 'what is read back belongs to the claim whose answer was lost, and to no other',
  },
  {
    name: 'lost answer of a claim forgotten',
    story: 'the claim was committed, its answer was lost, and what it took is never run',
    seen: ['StructaDoc#28', 'stroppy#167'],
    file: claimer,
    find: 'this.#unanswered.set(token, { since: this.#options.clock(), started: new Set() })',
    replace: '',
    test: 'test/loop/claimer.test.ts',
    subtest: 'what a claim took whose answer was lost is read back, and started once',
  },
  {
    name: 'started twice on read-back',
    story: 'a claim whose answer was lost is looked at again, and what it took is started again',
    seen: ['idempot-js#185', 'hexpm/hexpm#1825'],
    file: claimer,
    find: 'if (lost.started.has(request.id)) continue',
    replace: '',
    test: 'test/loop/claimer.test.ts',
    subtest: 'what a claim took whose answer was lost is read back, and started once',
  },
  {
    name: 'read-back without the token',
    story: 'whatever the server runs is taken for what the lost answer was about',
    seen: ['unstract#2124', 'dbos-inc/dbos-transact-java#491'],
    file: 'lib/db/claim.ts',
    find: 'where incarnation = $1 and token = $2',
    replace: 'where incarnation = $1 and $2::uuid is not null',
    test: 'test/db/claim.test.ts',
    subtest: 'reads back what a token took, and nothing of other tokens or servers',
  },
  {
    name: 'start after the fence',
    story: 'the answer to a claim comes after the server gave up, and is started all the same',
    seen: ['rails/solid_queue#778', 'taskforcesh/bullmq#3183'],
    file: 'lib/run/runner.ts',
    find: 'if (this.#isAbandoned) return',
    replace: '',
    test: 'test/run/runner.test.ts',
    subtest: 'what is claimed after the server gave up is not started',
  },
  {
    name: 'acknowledged before it holds',
    story: 'a drain is acknowledged while claimed requests have yet to begin',
    seen: ['timgit/pg-boss#237', 'graphile/worker#352'],
    file: 'lib/loop/controller.ts',
    find: 'atOnce) ? active === 0 : starting === 0',
    replace: 'atOnce) ? active === 0 : starting >= 0',
    test: 'test/loop/controller.test.ts',
    subtest: 'it acknowledges when all that it had claimed has begun, and not before',
  },
]
