/*
 * Database outage and failover: one server that is watched, and two that watch it, all with the same database.
 *
 *   attempt                             lib/witness/witness.ts: #pass; lib/db/translate-error.ts: isDatabaseAway
 *   fence                               lib/witness/witness.ts: #isOverdue
 *   look, declare                       lib/witness/watcher.ts; lib/db/pulse.ts, era.ts; lib/db/incarnations.ts: declareLost
 *
 * The server may be silent for F. When every host refuses a new connection, it may be silent for E from the first
 * refusal, whatever comes after that (lib/witness gives each refusal F only, which is less: RENEWED; so it does the first
 * sight of a new life of the database, before the lock is taken again: NEW_LIFE). A watcher that sees another start of the
 * postmaster or another timeline waits G and not D before it declares a server that it has not seen there.
 *
 * A host is up, refuses new connections but serves the old sessions (a smart shutdown), or is down (a restart, the
 * recovery after a crash of one backend, or a failover). After a crash of one backend the start of the postmaster and
 * the timeline are what they were. Time is discrete, as in lease.pml; to stop the work takes a tick.
 */

#define F 1
#define D 3
#ifndef E
#define E 4
#endif
#ifndef G
#define G (E + D)
#endif
#define OLD (E + D + 2)
#define NOTHING (OLD + 1)

mtype = { up, leaving, down };
mtype primary = up;             /* the host with the highest timeline */
bool era;                       /* changes with each start of the postmaster and each timeline */
bool life;                      /* changes with each of these, and with each recovery from a crash of one backend */
bool old_returns;               /* after a failover the old primary is up again, too */
bool failed_over;

byte faults = 2;
bool cut, was_cut;              /* the server's network */
bool fenced;
bool command = true;
bool held = true;
bool lost;
byte session;                   /* changes with each new session that takes the lock */
bool on_old;                    /* its session is on the old primary */
byte age;                       /* since the last answered heartbeat was sent */
byte away = NOTHING;            /* since the first refusal after that */
byte outage;                    /* since the database was up for this server */
bool tried;

byte since[2] = NOTHING;        /* how long a watcher has seen silence only */
byte grace[2] = OLD;            /* how long it has been connected to this life of the database */
bool known[2];                  /* that life, as far as it knows */
byte seen[2];                   /* the session that the watcher missed */
bool met[2] = true;             /* whether it has seen the server in that life */
bool own = false;               /* the life that the server itself knows */
byte life_age = OLD;            /* since that life was first seen */
bool looked[2];

#ifndef RENEWED
#define IS_RENEWED false
#define LIMIT E
#else
#define IS_RENEWED true         /* each refusal is as good as a proof, for F only */
#define LIMIT F
#endif
#define MUST_FENCE (!fenced && (away == NOTHING -> age > F : away > LIMIT))
#ifndef NEW_LIFE
#define IS_SIGHT_PROOF false
#else
#define IS_SIGHT_PROOF true
#endif
#ifndef AGAIN
#define MANY_SIGHTS false
#else
#define MANY_SIGHTS true        /* also when it may have been seen there */
#endif
#ifndef START_TIME_ONLY
#define SEEN_LIFE life
#else
#define SEEN_LIFE era
#endif
#ifndef NO_GRACE
#define HAS_GRACE true
#else
#define HAS_GRACE false
#endif
#ifndef FIRST_HOST
#define MEETS_OLD false             /* it asks all hosts, and takes the one with the highest timeline */
#else
#define MEETS_OLD old_returns
#endif
#ifndef FALSE_REFUSAL
#define IS_REFUSED (primary != up)
#else
#define IS_REFUSED true             /* a firewall refuses on behalf of the hosts */
#endif
#ifndef NO_NEW_CONNECTION
/* It declares through a new connection only: what is refused to others is refused to it. */
#define MAY_DECLARE (primary == up)
#else
#define MAY_DECLARE true
#endif

inline older(clock) { if :: clock < OLD -> clock++ :: else fi }

inline declare() {
  if
  :: !lost ->
    assert(!command);              /* alive: no command of a run that is called lost */
    assert(was_cut || fenced);     /* healthy: no server that works is declared lost */
    lost = true
  :: else
  fi
}

/* A look works through a session that is there, or a new one. */
inline look(w) {
  looked[w] = true;
  if
  :: known[w] != SEEN_LIFE -> known[w] = SEEN_LIFE; grace[w] = (HAS_GRACE -> life_age : OLD); since[w] = NOTHING; met[w] = !HAS_GRACE
  :: else
  fi;
  if
  :: lost || held && !on_old -> since[w] = NOTHING; met[w] = true
  :: !lost && !(held && !on_old) && (since[w] == NOTHING || seen[w] != session) -> since[w] = 0; seen[w] = session
  :: !lost && !(held && !on_old) && since[w] != NOTHING && seen[w] == session ->
    if
    :: since[w] >= D && (met[w] || grace[w] >= G) && MAY_DECLARE -> declare()
    :: else
    fi
  fi
}


/* All sessions end. */
inline stop() { primary = down; held = false; tried = false }

active proctype World() {
  do
  /* attempt: a heartbeat on the session, or on a new one; a refusal counts from the first one */
  :: atomic { !fenced && !cut && !tried && held -> tried = true; age = 0; away = NOTHING }
  :: atomic { !fenced && !cut && !tried && !held && (primary == up || MEETS_OLD) ->
      tried = true;
      if
      :: lost && !MEETS_OLD -> fenced = true
      :: else -> held = true; session++; on_old = MEETS_OLD; age = 0; away = NOTHING; outage = 0; own = (MEETS_OLD -> own : life)
      fi }
  /* it sees a new life, and does not get the lock yet */
  :: atomic { IS_SIGHT_PROOF && !fenced && !cut && !tried && !held && primary == up && (own != life || MANY_SIGHTS) ->
      tried = true;
      own = life;
      if
      :: life_age < E -> away = 0
      :: else
      fi }
  :: atomic { !fenced && !cut && !tried && !held && !MEETS_OLD && IS_REFUSED ->
      tried = true;
      if
      :: away == NOTHING || IS_RENEWED -> away = 0
      :: else
      fi }

  /* fence */
  :: atomic { MUST_FENCE -> assert(was_cut || outage >= LIMIT || MANY_SIGHTS); fenced = true /* spared: an outage shorter than E fences nobody */ }

  /* the watchers; what they hear of a database that is away is nothing */
  :: atomic { primary != down && !looked[0] -> look(0) }
  :: atomic { primary != down && !looked[1] -> look(1) }

  /* faults: the server's session ends; its network is cut; the database stops in one of four ways */
  :: atomic { faults > 0 && held -> faults--; held = false; tried = false }
  :: atomic { faults > 0 && !cut -> faults--; cut = true; was_cut = true }
  :: atomic { faults > 0 && primary == up -> faults--; stop() }
  :: atomic { faults > 0 && primary == up -> faults--; primary = leaving }
  :: atomic { faults > 0 && primary == up && !failed_over -> faults--; stop(); failed_over = true }
  /* and their ends */
  :: atomic { cut -> cut = false; tried = false }
  :: atomic { cut && held -> held = false }
  :: atomic { primary == leaving -> stop() }
  :: atomic { primary == down -> primary = up; era = !era; life = !life; life_age = 0; tried = false }
  :: atomic { primary == down && !failed_over -> primary = up; life = !life; life_age = 0; tried = false } /* after a crash of one backend */
  :: atomic { failed_over && primary == up && !old_returns -> old_returns = true }

  /* time passes when all that had to happen has happened */
  :: atomic { (fenced || cut || tried) && !MUST_FENCE && (looked[0] && looked[1] || primary == down) && !(lost && !command) ->
      if
      :: fenced -> command = false
      :: else
      fi;
      older(age); older(away); older(life_age); older(since[0]); older(since[1]); older(grace[0]); older(grace[1]);
      if
      :: primary == up -> outage = 0
      :: else -> older(outage)
      fi;
      tried = false; looked[0] = false; looked[1] = false }
  :: lost && !command -> break
  od
}
