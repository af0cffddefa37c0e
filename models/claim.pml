/*
 * Claim, finish, cancel, declare lost, suspend: three servers, two requests, two disturbances of these: an answer is lost, a
 * server is lost, a request is cancelled, a server is suspended.
 *
 * Each step of this model is one step of a server or of PostgreSQL:
 *   send, give up, answer, read back    lib/loop/claimer.ts: pass, #ask, #readBack
 *   start                               lib/run/runner.ts: start
 *   lock, commit, roll back             lib/db/claim.ts: what the one statement locks, and how it ends
 *   finish                              lib/db/finish.ts: moveToFinished, findFinishedByUs; lib/loop/run-writers.ts
 *   fence, declare                      lib/loop/server.ts: fence; lib/db/incarnations.ts: declareLost
 *   cancel                              migrations/002_functions.sql: cancel
 *   suspend, acknowledge                the gate of a suspended server: in the claim statement, and in its answer
 *
 * A claim takes one row here; one that takes more is as many of these with one commit. A connection may break at any
 * moment of a claim or a finish, and the database may do its part all the same, later than the server gives up.
 * That a declaration comes after the server has fenced itself is the subject of lease.pml, and taken for granted.
 */

#define SERVERS 3
#define REQUESTS 2
#define CLAIMS 4            /* two of server 0, so that it has two tokens, and one of each other */
#define NONE 7
#define SERVER(c) ((c) / 2 + (c) / 3)
#define IS_SECOND(c) ((c) == 1)

mtype:room = { queued, running, cancelled, succeeded, server_lost };
mtype:room room[REQUESTS] = queued;
byte token[REQUESTS] = NONE;          /* running.token; it tells the incarnation, too */
byte locked_by[REQUESTS] = NONE;      /* the claim that has locked the queue's row */
byte starts[REQUESTS];

bool fenced[SERVERS];                 /* it has stopped all its work for good */
bool lost[SERVERS];                   /* incarnation.state */
bool gate;                            /* server 0 is suspended, in the database */
bool acknowledged;                    /* and has said so */

mtype:statement = { unsent, sent, locking, done };
mtype:statement claim[CLAIMS] = unsent;
byte taken[CLAIMS] = NONE;            /* the request that the statement has locked, then moved */
bool waiting[CLAIMS];                 /* the server waits for the answer */
bool unanswered[CLAIMS];              /* the answer was lost: the token is read back */
mtype:work = { none, on, over };
mtype:work work[CLAIMS] = none;         /* the run that the claim's answer started */
byte faults = 2;                      /* that may still happen, see above */
#define IS_HIT(i) ((i) < 2 && faults > 0) /* two faults hit two servers at most; which ones makes no difference */
bool is_cut;

#define IS_LOST(c) lost[SERVER(c)]
#define IS_FENCED(c) fenced[SERVER(c)]
#define IS_GATED(c) (gate && SERVER(c) == 0)
#define SHARES(i) ((i) == 0 && (claim[0] == locking || claim[1] == locking) || (i) > 0 && claim[(i) + 1] == locking)
#define IS_OPEN(c) (waiting[c] || unanswered[c])
#define IS_FINISHED(r) (room[r] == cancelled || room[r] == succeeded || room[r] == server_lost)

#ifndef NO_ROW_LOCK
#define IS_FREE(r) (locked_by[r] == NONE)
#else
#define IS_FREE(r) true
#endif
#ifndef NO_TOKEN_IN_READ_BACK
#define IS_TAKEN_BY(r, c) (token[r] == c)
#else
#define IS_TAKEN_BY(r, c) (SERVER(token[r]) == SERVER(c))
#endif
#ifndef NO_STARTED_SET
#define IS_STARTED(c) (work[c] != none)
#else
#define IS_STARTED(c) false
#endif
#ifndef ONE_STATEMENT
#define SEES(r) true
#else
#define SEES(r) seen[r]
#endif

/* Every insert into `finished`. */
inline end_as(r, outcome) {
  assert(!IS_FINISHED(r)); /* changed: a finished state never changes */
  room[r] = outcome
}

inline start(c, r) {
#ifndef NO_FENCE_BEFORE_START
  if
  :: IS_FENCED(c)
  :: else ->
#endif
    assert(starts[r] == 0);                            /* twice: a request is started once */
    assert(room[r] == running && token[r] == c);       /* foreign: it runs, and is this claim's */
    assert(!(acknowledged && SERVER(c) == 0));         /* suspended: nothing starts after the acknowledgement */
    starts[r]++;
    work[c] = on
#ifndef NO_FENCE_BEFORE_START
  fi
#endif
}

/* An answer that is lost, or not. */
inline maybe_lose(i) {
  is_cut = false;
  if
  :: IS_HIT(i) -> faults--; is_cut = true
  :: true
  fi
}

proctype Claim(byte c) {
  byte r;
  do
  /* send */
  :: atomic { claim[c] == unsent && !IS_FENCED(c) && !IS_GATED(c) && (!IS_SECOND(c) || (claim[0] != unsent && !waiting[0]))
      -> claim[c] = sent; waiting[c] = true }
  :: atomic { claim[c] == unsent && (IS_FENCED(c) || IS_GATED(c)) -> claim[c] = done }

  /* lock: the incarnation's row, if it may claim, and a row of the queue that nobody else has locked */
  :: atomic { claim[c] == sent ->
      if
      :: IS_LOST(c) -> claim[c] = done
#ifndef NO_GATE_IN_CLAIM
      :: IS_GATED(c) -> claim[c] = done
#endif
      :: else ->
        claim[c] = locking;
        for (r : 0 .. REQUESTS - 1) {
          if
          :: taken[c] == NONE && room[r] == queued && IS_FREE(r) -> taken[c] = r; locked_by[r] = c
          :: else
          fi
        }
      fi; r = 0 }

  /* commit */
  :: atomic { claim[c] == locking ->
      claim[c] = done;
      if
      :: taken[c] != NONE -> r = taken[c]; room[r] = running; token[r] = c; locked_by[r] = NONE
      :: else
      fi; r = 0 }

  /* roll back: nobody waits for the statement any more, and its session ends */
  :: atomic { (claim[c] == sent || claim[c] == locking) && !waiting[c] ->
      claim[c] = done;
      if
      :: taken[c] != NONE -> locked_by[taken[c]] = NONE; taken[c] = NONE
      :: else
      fi }

  /* answer: only an answer starts a run */
  :: atomic { waiting[c] && claim[c] == done && !IS_FENCED(c) ->
      waiting[c] = false;
      if
      :: taken[c] != NONE -> r = taken[c]; start(c, r)
      :: else
      fi; r = 0 }

  /* give up: the connection breaks */
  :: atomic { waiting[c] && IS_HIT(SERVER(c)) ->
      faults--; waiting[c] = false;
#ifndef NO_READ_BACK
      unanswered[c] = true
#endif
    }

  /* read back, as often as it likes, and once more when the statement can do nothing any more */
  :: atomic { unanswered[c] && !IS_FENCED(c) ->
      if
      :: claim[c] == done || IS_GATED(c) -> unanswered[c] = false
      :: true
      fi;
      for (r : 0 .. REQUESTS - 1) {
        if
        :: room[r] == running && IS_TAKEN_BY(r, c) && !IS_STARTED(c) -> start(c, r)
        :: else
        fi
      }
      r = 0 }

  /* finish: moves a row with this token of an incarnation that is alive; repeated until it is answered */
  :: atomic { work[c] == on && !IS_FENCED(c) ->
      r = taken[c];
      maybe_lose(SERVER(c));
      if
#ifndef NO_RUNNING_IN_FINISH
      :: !IS_LOST(c) && room[r] == running && token[r] == c -> end_as(r, succeeded); work[c] = (is_cut -> on : over)
#else
      :: !IS_LOST(c) -> end_as(r, succeeded); work[c] = (is_cut -> on : over)
#endif
#ifndef NO_FINISH_READ_BACK
      :: room[r] == succeeded && token[r] == c -> work[c] = (is_cut -> on : over)
#endif
      :: else ->
        assert(IS_LOST(c)); /* told: only a lost server is told that a run is not its own */
        work[c] = over
      fi; r = 0; is_cut = false }

  /* fenced: nothing goes on here; what is under way in the database may end either way */
#ifndef NO_FENCE_BEFORE_START
  :: atomic { IS_FENCED(c) && (IS_OPEN(c) || work[c] == on) -> waiting[c] = false; unanswered[c] = false; work[c] = over }
#else
  :: atomic { IS_FENCED(c) && waiting[c] && claim[c] == done && taken[c] != NONE -> waiting[c] = false; r = taken[c]; start(c, r); r = 0 }
  :: atomic { IS_FENCED(c) && (!waiting[c] || claim[c] == done && taken[c] == NONE) && (IS_OPEN(c) || work[c] == on) -> waiting[c] = false; unanswered[c] = false; work[c] = over }
#endif
  :: atomic { claim[c] == done && !IS_OPEN(c) && work[c] != on -> break }
  od
}

/* A server that cannot prove that it lives stops its work; then others declare it lost. */
proctype Loss(byte i) {
  byte r;
#ifdef ONE_STATEMENT
  bool seen[REQUESTS];
#endif
  if
  :: atomic { faults > 0 -> faults--; fenced[i] = true }
  :: goto stays
  fi;
#ifdef ONE_STATEMENT
  /* its snapshot would be older than what it waits for */
  atomic { for (r : 0 .. REQUESTS - 1) { seen[r] = room[r] == running && SERVER(token[r]) == i }; r = 0 }
#endif
  /* declare: the first statement waits for the claims that share the incarnation's row */
  atomic {
#ifndef NO_SHARE_LOCK
    !SHARES(i) ->
#endif
    lost[i] = true;
    for (r : 0 .. REQUESTS - 1) {
      if
      :: room[r] == running && SERVER(token[r]) == i && SEES(r) -> end_as(r, server_lost)
      :: else
      fi
    }
    r = 0 }
stays: skip
}

/* Cancels request 0: deletes the queue's row, which waits for a claim that has locked it. */
proctype Canceller() {
  if
  :: atomic { faults > 0 -> faults-- }
  :: goto stays
  fi;
  if
  :: atomic { room[0] == queued && locked_by[0] == NONE -> end_as(0, cancelled) }
#ifdef NO_ROW_IN_CANCEL
  :: atomic { locked_by[0] != NONE -> skip }; atomic { locked_by[0] == NONE -> end_as(0, cancelled) }
#endif
  :: skip
  fi;
stays: skip
}

/* Suspends server 0: closes the gate, which waits for claims that share the incarnation's row; then it answers. */
proctype Suspension() {
  if
  :: atomic { faults > 0 -> faults-- }
  :: goto stays
  fi;
  atomic {
#ifndef NO_WAIT_IN_SUSPEND
    !SHARES(0) ->
#endif
    gate = true }
  atomic {
#ifndef NO_WAIT_BEFORE_ACKNOWLEDGEMENT
    !IS_OPEN(0) && !IS_OPEN(1) && claim[0] != unsent && claim[1] != unsent ->
#endif
    acknowledged = true }
stays: skip
}

init {
  byte i;
  atomic {
    for (i : 0 .. CLAIMS - 1) { run Claim(i) }
    run Loss(0);
    run Loss(1);
    if
    :: run Canceller()
    :: run Suspension()
    :: true
    fi;
    i = 0
  }
  /* At the end of all things. */
  atomic {
    _nr_pr == 1 ->
    for (i : 0 .. REQUESTS - 1) {
      assert(room[i] != running); /* stuck: nothing stays running */
      assert(room[i] != succeeded || starts[i] == 1)
    }
  }
}
