/*
 * Lease and fence: one server that is watched, with its guardian and a command, and two servers that watch it.
 * What a server does as a watcher and as one that is watched do not touch each other, so each pair is covered.
 *
 *   send, execute, receive, cut off     lib/witness/witness.ts: #prove, #openSessionAgain
 *   fence                               lib/witness/witness.ts: #checkDeadline; lib/loop/server.ts: fence
 *   guardian acts                       lib/guardian/watch-server.ts, kill-commands.ts, report-loss.ts
 *   look, declare                       lib/witness/watcher.ts; lib/db/pulse.ts; lib/db/incarnations.ts: declareLost
 *   silence ends the session            idle_session_timeout of the witness session
 *
 * Time is discrete: `tick` is the only step that takes time. Each clock counts ticks by itself, nobody compares two
 * machines. What must happen within a tick holds up the next one; what is frozen holds up nothing. To kill takes
 * a tick. Three faults of: server stopped or killed, main loop stuck, guardian stopped, network cut, session ended, watcher stopped.
 * The database stays; outage.pml has the rest.
 */

#define F 2           /* the server fences itself: 0.6 of lostAfter */
#ifndef LATE_GUARDIAN
#define T 3           /* the guardian acts: 0.8 */
#else
#define T 5
#endif
#define D 5           /* the others declare: 1.0, at least T, what a kill takes, and one tick of rounding */
#ifndef FAULTS
#define FAULTS 3
#endif
#define OLD 6         /* clocks go no further */

byte faults = FAULTS;
bool was_hit;                          /* any fault of the server, its guardian or its network */

bool frozen, dead, fenced, cut, stuck; /* the server; a stuck main loop leaves its witness thread running */
bool command = true;
bool guardian_frozen, killing;
byte age;                              /* since the last answered heartbeat was sent */
byte trusted;                          /* the same, as the guardian knows it */
byte unread = OLD + 1;                 /* the age of the last proof that the guardian has not read yet */
#define NOTHING (OLD + 1)

mtype = { idle, sent, executed };
mtype beat = idle;
byte beat_age;
bool held = true;                      /* the witness session holds the lock */
byte silence;                          /* since the database has last heard of it */
byte session;                          /* changes with each new witness session */
bool lost, answer_lost;
byte waited;                           /* ticks without a server that works, until its row says so */

byte since[2] = NOTHING;               /* how long a watcher has seen nothing but silence */
byte seen[2];                          /* the session that the watcher missed */
bool watcher_frozen[2];
bool looked[2];

#define IS_RUNNING (!frozen && !dead)
#define BEATS (IS_RUNNING && !fenced)
#ifndef NO_FENCE
#define MUST_FENCE (BEATS && age > F)
#else
#define MUST_FENCE false
#endif
#ifndef NO_STUCK_CHECK
#define MUST_STOP (BEATS && stuck)
#else
#define MUST_STOP false
#endif
#ifndef NO_GUARDIAN
#define MUST_KILL (!guardian_frozen && !killing && command && (dead || trusted > T))
#else
#define MUST_KILL false
#endif
#ifndef REPORT_FIRST
#define MAY_REPORT (!command)
#else
#define MAY_REPORT true
#endif
#ifndef NO_IDLE_TIMEOUT
#define HAS_TIMEOUT true
#else
#define HAS_TIMEOUT false
#endif
#ifndef RELATIVE_DEADLINE
#define IS_ABSOLUTE true
#else
#define IS_ABSOLUTE false
#endif
/* Where server and guardian are stopped together, the guardian is awake again when the deadline comes. */
#ifndef STOPPED_TOGETHER
#define TOO_LONG (guardian_frozen && (frozen || dead) && age >= T)
#else
#define TOO_LONG false
#endif
inline hit() { faults--; was_hit = true }
inline older(clock) { if :: clock < OLD -> clock++ :: else fi }

inline declare() {
  if
  :: !lost -> assert(!command);        /* alive: no command of a run that is called lost */
    assert(was_hit);                   /* healthy: no healthy server is declared lost */
    lost = true
  :: else
  fi
}

inline look(w) {
  looked[w] = true;
  if
  :: held || lost -> since[w] = NOTHING
#ifndef NO_SESSION_COUNT
  :: !held && !lost && (since[w] == NOTHING || seen[w] != session) -> since[w] = 0; seen[w] = session
  :: !held && !lost && since[w] != NOTHING && seen[w] == session ->
#else
  :: !held && !lost && since[w] == NOTHING -> since[w] = 0
  :: !held && !lost && since[w] != NOTHING ->
#endif
#ifndef NO_WAIT
    if
    :: since[w] >= D -> declare()
    :: else
    fi
#else
    declare()
#endif
  fi
}

inline read_pipe() {
  if
  :: unread != NOTHING && !guardian_frozen -> trusted = unread; unread = NOTHING
  :: else
  fi
}

active proctype World() {
  do
  /* heartbeats */
  :: atomic { BEATS && beat == idle -> beat = sent; beat_age = 0 }
  :: atomic { beat == sent && !cut ->
      /* a new session takes the locks again unless it was declared lost */
      silence = 0; waited = (stuck -> waited : 0); beat = executed; answer_lost = lost;
      if
      :: !held && !lost -> held = true; session++
      :: else
      fi }
  :: atomic { beat == executed && !cut && BEATS ->
      beat = idle;
      if
      :: answer_lost -> fenced = true
      :: else ->
#ifndef COUNT_FROM_ANSWER
        age = beat_age;
#else
        age = 0;
#endif
        unread = age; read_pipe()
      fi;
      beat_age = 0 }
  :: atomic { beat != idle && (cut || dead || fenced) -> beat = idle; beat_age = 0 }
  :: atomic { HAS_TIMEOUT && held && silence > F -> held = false }

  /* fence */
  :: atomic { MUST_FENCE -> fenced = true }
  /* the witness thread sees that the main loop does not come back, and gives up on purpose */
  :: atomic { MUST_STOP -> fenced = true }

  /* the guardian */
  :: atomic { MUST_KILL ->
      killing = true;
#ifndef SPARE_SERVER
      dead = true
#endif
    }
  :: atomic { BEATS && !command && !stuck -> command = true }
  :: atomic { !guardian_frozen && killing && !lost && !cut && MAY_REPORT -> declare() }

  /* the watchers */
  :: atomic { !watcher_frozen[0] && !looked[0] -> look(0) }
  :: atomic { !watcher_frozen[1] && !looked[1] -> look(1) }

  /* faults, and their ends */
  :: atomic { faults > 0 && IS_RUNNING -> hit(); frozen = true }
  :: atomic { faults > 0 && IS_RUNNING && !guardian_frozen -> hit(); dead = true }
  :: atomic { faults > 0 && BEATS && !stuck -> hit(); stuck = true; waited = 0 }
  :: atomic { faults > 0 && !guardian_frozen -> hit(); guardian_frozen = true }
  :: atomic { faults > 0 && !cut -> hit(); cut = true; if :: beat == sent -> beat = idle; beat_age = 0 :: else fi }
  :: atomic { faults > 0 && held -> faults--; held = false }
  :: atomic { faults > 0 && !watcher_frozen[0] -> faults--; watcher_frozen[0] = true }
  :: atomic { frozen -> frozen = false; waited = 0 }
  :: atomic { guardian_frozen -> guardian_frozen = false; read_pipe() }
  :: atomic { cut && beat == idle -> cut = false }
  :: atomic { watcher_frozen[0] -> watcher_frozen[0] = false }

  /* time passes when all that had to happen has happened */
  :: atomic {
      !(BEATS && beat == idle) && !(!cut && beat == sent && beat_age > 0) && !(!cut && beat == executed && BEATS && beat_age > 0) &&
      !(HAS_TIMEOUT && held && silence > F) && !MUST_FENCE && !MUST_STOP && !MUST_KILL &&
      (looked[0] || watcher_frozen[0]) && looked[1] && !TOO_LONG && !(lost && !command) ->
      if
      :: command && (fenced && IS_RUNNING || killing && !guardian_frozen) -> command = false
      :: else
      fi;
      if
      :: lost || BEATS && !stuck -> waited = 0
      :: else -> waited++; assert(waited <= F + D + 5) /* late: the row of a server that is gone ends soon */
      fi;
      older(age); older(trusted); older(silence);
      if :: unread < OLD && IS_ABSOLUTE -> unread++ :: else fi;
      if :: beat != idle -> older(beat_age) :: else fi;
      if :: since[0] < OLD -> since[0]++ :: else fi;
      if :: since[1] < OLD -> since[1]++ :: else fi;
      looked[0] = false; looked[1] = false }
  :: lost && !command -> break
  od
}
