/*
 * The import of one version: three servers that all want to, and one that sweeps the store; or two, and somebody who cancels the
 * import and perhaps asks for it again.
 *
 *   lock, begin, fetch, seal, publish   lib/loop/locked-work.ts, version-imports.ts; lib/db/component/imports.ts, publish.ts
 *   hear, fail                          lib/db/lock-session.ts; lib/loop/version-imports.ts: importOne
 *   sweep                               lib/loop/store-sweep.ts; lib/db/component/sweep.ts
 *   cancel, ask again                   lib/db/component/cancel-import.ts, versions.ts: wantImport
 *
 * A lock lives as long as its session. PostgreSQL may end the session at any moment; the server goes on until it hears of it,
 * which its next statement on that session tells it, and what it writes into the store meanwhile it does write. Each attempt
 * has a token of its own, and its files a place of that name. A step on the session, or one statement, is atomic.
 */

#define SERVERS 3
#define TOKENS 4                /* attempts at the most, all servers together */
#define NONE 15

mtype = { unused, open, lost, failed, cancelled, published };      /* an attempt, as the database has it */
mtype = { absent, staged, sealed };                      /* its files in the store */
mtype = { idle, locked, looked, begun, fetched, ready, unsure, failing, over };

mtype attempt[TOKENS] = unused;
mtype files[TOKENS] = absent;
bool swept[TOKENS];             /* the sweep has removed what the database knew of */
byte tokens;                    /* how many were given away */
byte holder = NONE;             /* whose session has the lock */
bool session[SERVERS];          /* as PostgreSQL sees it */
byte publication = NONE;
byte publications;
bool wanted = true;             /* the wish */
bool withdrawn;                 /* somebody has taken it away, and nobody has wished since */
bool told;                      /* and has been told so */
byte faults = 2;
bool quiet;                     /* nothing goes wrong any more, and nobody begins anew */

#ifndef REUSED_KEYS
#define PLACE(k) (k)
#else
#define PLACE(k) 0              /* files are named by their content alone, so that attempts share them */
#endif
#ifndef POOL
#define HAS_SESSION(n) session[n]
#else
#define HAS_SESSION(n) true     /* it publishes on any connection */
#endif
#ifndef NO_OPEN_CHECK
#define IS_OPEN(k) (attempt[k] == open)
#else
#define IS_OPEN(k) true
#endif
#ifndef NO_KEY
#define IS_FREE (publication == NONE)
#else
#define IS_FREE true
#endif

#ifndef NO_WISH_IN_PUBLISH
#define IS_WANTED wanted
#else
#define IS_WANTED true          /* an attempt that is open is enough */
#endif

inline whole() {
  assert(publication == NONE || files[PLACE(publication)] == sealed) /* torn: what is published is in the store */
}

/* The session ends, and its lock is free. */
inline cut(n) {
  session[n] = false;
  if
  :: holder == n -> holder = NONE
  :: else
  fi
}

proctype Server(byte n) {
  mtype phase = idle;
  byte k = NONE;
  do
  /* lock: on a session of its own */
  :: atomic { phase == idle && wanted && !quiet && tokens < TOKENS && holder == NONE ->
      session[n] = true; holder = n; phase = locked }
  :: atomic { phase == idle && (!wanted || quiet || tokens == TOKENS) -> break }

  /* begin: closes the attempts before, whose servers are gone, and looks again whether there is anything to do */
  :: atomic { phase == locked && session[n] ->
      if
      :: !wanted -> cut(n); phase = idle
      :: wanted && tokens == TOKENS -> cut(n); phase = idle
      :: wanted && tokens < TOKENS ->
#ifdef NO_WISH_LOCK
        phase = looked             /* it does not hold the wish while it begins */
      fi }
  :: atomic { phase == looked && session[n] ->
      if
      :: tokens == TOKENS -> cut(n); phase = idle
      :: tokens < TOKENS ->
#endif
#ifndef NO_CLOSE
        byte e;
        for (e : 0 .. TOKENS - 1) {
          if
          :: attempt[e] == open -> attempt[e] = lost
          :: else
          fi
        }
        e = 0;
#endif
        k = tokens; tokens++; attempt[k] = open; phase = begun;
        assert(!told) /* goes: nobody begins, or goes on, once somebody was told that it is cancelled */
      fi }

  /* fetch: into a place that nobody reads */
  :: atomic { phase == begun ->
      if
      :: files[PLACE(k)] == absent -> files[PLACE(k)] = staged
      :: else
      fi;
      phase = fetched }

  /* seal: one step; what somebody has removed cannot be sealed */
#ifndef SEAL_AFTER
  :: atomic { phase == fetched ->
      if
      :: files[PLACE(k)] != absent -> files[PLACE(k)] = sealed; phase = ready
      :: else -> phase = failing
      fi }
#else
  :: atomic { phase == fetched -> phase = ready }
#endif

  /* publish: one transaction; its answer may be lost */
  :: atomic { phase == ready ->
      if
      :: HAS_SESSION(n) && IS_OPEN(k) && IS_FREE && IS_WANTED ->
        assert(!withdrawn); /* against: what is withdrawn is not published */
        publication = k; publications++; attempt[k] = published; wanted = false;
        assert(publications <= 1); /* twice: a version is published once */
        whole();
        if
        :: phase = over
        :: faults > 0 -> faults--; phase = unsure
        fi
      :: !(HAS_SESSION(n) && IS_OPEN(k) && IS_FREE && IS_WANTED) -> phase = unsure
      fi }

#ifdef SEAL_AFTER
  :: atomic { phase == over && files[PLACE(k)] == staged -> files[PLACE(k)] = sealed }
#endif

  /* after a failure: whose publication is it? */
#ifndef NO_READ_BACK
  :: atomic { phase == unsure && publication == k -> phase = over }
  :: atomic { phase == unsure && publication != k -> phase = failing }
#else
  :: atomic { phase == unsure -> phase = failing }
#endif

  /* fail: the attempt ends, unless it has; the sweep removes its files */
  :: atomic { phase == failing ->
      if
      :: attempt[k] == open -> attempt[k] = failed
      :: else
      fi;
#ifdef NO_READ_BACK
      files[PLACE(k)] = absent; whole();       /* it takes its files away, as after each failure */
#endif
      k = NONE; cut(n); phase = idle }

  :: atomic { phase == over -> cut(n); break }

  /* hear: that its attempt was cancelled, when it tells how far it is */
  :: atomic { (phase == begun || phase == fetched) && attempt[k] == cancelled -> phase = failing }

  /* hear: of a lost session before the next step on it */
  :: atomic { (phase == locked || phase == looked || phase == begun || phase == fetched) && !session[n] ->
      phase = (k == NONE -> idle : failing) }

  /* The session is cut; or the server is killed, and is another one when it is back. */
  :: atomic { faults > 0 && session[n] && phase != over -> faults--; cut(n) }
  :: atomic { faults > 0 && phase != idle && phase != over -> faults--; cut(n); k = NONE; phase = idle }
  od
}

/* Removes what attempts have left that came to nothing. */
proctype Sweeper() {
  byte k;
  do
  /* close: a dead attempt is one whose lock is free */
  :: atomic { holder == NONE ->
      for (k : 0 .. TOKENS - 1) {
        if
        :: attempt[k] == open -> attempt[k] = lost
        :: else
        fi
      } k = 0 }
  :: atomic { select(k : 0 .. TOKENS - 1);
      if
      :: (attempt[k] == lost || attempt[k] == failed || attempt[k] == cancelled) && !swept[k] ->
        files[PLACE(k)] = absent; swept[k] = true; whole()
#ifdef SWEEP_OPEN
      :: attempt[k] == open && holder == NONE -> files[PLACE(k)] = absent; whole()
#endif
      :: else
      fi }
  :: atomic { quiet -> break }
  od
}

inline closeFor(condition) {
  for (e : 0 .. TOKENS - 1) {
    if
    :: attempt[e] == open && condition -> attempt[e] = cancelled
    :: else
    fi
  }
  e = 0
}

/* cancel: withdraws the wish, then ends the attempt that is open; each is one statement */
proctype Canceller() {
  byte e;
#ifndef ONE_STATEMENT
  atomic { if
    :: wanted -> wanted = false; withdrawn = true
    :: else
    fi }
  atomic { if
    :: !wanted -> closeFor(true); told = withdrawn
    :: else
    fi }
#else
  bool seen[TOKENS];
  atomic { for (e : 0 .. TOKENS - 1) { seen[e] = (attempt[e] == open) } e = 0 }  /* it began before it had the wish's row */
  atomic { if
    :: wanted -> wanted = false; withdrawn = true; closeFor(seen[e]); told = true;
      for (e : 0 .. TOKENS - 1) { assert(attempt[e] != open) /* goes: nobody begins, or goes on, once somebody was told that it is cancelled */ }
    :: else
    fi; e = 0 }
#endif
  /* ask again: unless it was published */
  atomic { if
    :: publication == NONE -> wanted = true; withdrawn = false; told = false
    :: true
    fi }
}

/* The end: who is left has ended, and the whole store is swept. */
init {
  byte k;
  atomic {
    if
    :: for (k : 0 .. SERVERS - 1) { run Server(k) }
    :: for (k : 1 .. SERVERS - 1) { run Server(k) }     /* two: with the third it would be too much to search */
      run Canceller()
    fi;
#ifndef NO_SWEEPER
    run Sweeper();
#endif
    k = 0 }
  atomic { quiet = true }
  atomic { _nr_pr == 1 ->
    for (k : 0 .. TOKENS - 1) {
#ifndef NO_FULL_SWEEP
      if
      :: attempt[k] == open -> attempt[k] = lost      /* all locks are free */
      :: else
      fi;
      if
      :: attempt[k] != published && attempt[k] != unused -> files[PLACE(k)] = absent
      :: else
      fi;
#else
      if
      :: (attempt[k] == lost || attempt[k] == failed || attempt[k] == cancelled) && !swept[k] -> files[PLACE(k)] = absent
      :: else
      fi;
#endif
      assert(attempt[k] == published || attempt[k] == unused || files[PLACE(k)] == absent) /* left: nothing is left over */
    }
    whole() }
}
