/*
 * The attempts of a request and the caps of channels. A request holds its
 * customer's money by one slot; each attempt at a channel holds the cap of
 * that channel by a slot of its own, in what the operator owes. The steps of
 * one slot are those of hold.pml, where they are proved for several counters,
 * extension included; here several slots end independently of each other.
 *
 * What is modelled
 *
 *   Counters. 0 is an account, 1 and 2 are the caps of two channels. With K > 1
 *   there are caps that the attempts at both channels share: 3 is a model's, and
 *   4 (K = 3) that of a key that both channels use. A cap has a window (a day): the
 *   writer begins that of cap OWNED anew while attempts hold on it, and its limit
 *   may be changed by a reload; those of the others go on.
 *
 *   Slots. Three per worker: the request's, and one for an attempt at each
 *   channel. One that belongs to the writer. Each has one counter, but an attempt
 *   K: it takes all of them or none.
 *
 *   Workers. Take the account; only when it is HELD, the caps of channel 1. A
 *   cap that refuses leads to channel 2, what was taken is given back. An attempt is lost before its answer
 *   begins: its slot settles at what the operator owes for it all the same,
 *   mostly nothing, and channel 2 is next; or it answers: the request settles
 *   as ever (streamed, or in one piece and then sent or not), the attempt's
 *   slot settles at its own cost, never above its hold. No channel left: the
 *   request settles at nothing.
 *
 *   Writer. Visits the slots in any order. It does not know which belong
 *   together. Its own slot is void if the writer that claimed it has died
 *   before the commit: what it was for is still due then.
 *
 *   Faults. kill -9 of a worker or the writer between any two steps; power
 *   loss with a cold start between any two steps.
 *
 * What is checked
 *
 *   I1 to I11 as in hold.pml, per slot and per counter. In particular
 *   I4  at the end, per counter: avail == balance == limit less what was
 *       charged in this window; no hold is left and every slot is free, also
 *       when its owner died between two of its slots.
 *   I5  what a slot is charged when it becomes free: the request's as in
 *       hold.pml; an attempt's what its owner settled, or if the owner died
 *       before that what was metered, at most its hold.
 *   I6  0 <= balance of a cap after every posting (not with RAISE < 0).
 *   I12 An attempt holds a cap only while its request is HELD.
 *   I13 Each counter loses what its own slots are charged, nothing else.
 *
 * Limits
 *
 *   Those of hold.pml; no extension (which hold.pml has for two counters); the two attempts of a request have two
 *   fixed slots, where in C a refused one's is used again for the next channel.
 *
 * How to run: as hold.pml.
 */
#ifndef NW
#define NW 1
#endif
#ifndef NR
#define NR 1 /* requests that each worker finishes */
#endif
#ifndef A0
#define A0 2 /* opening balance of the account */
#endif
#ifndef A1
#define A1 1 /* limit of the window of cap 1 */
#endif
#ifndef A2
#define A2 2 /* of cap 2 */
#endif
#ifndef K
#define K 1 /* caps of an attempt, at most 3 */
#endif
#ifndef A3
#define A3 2 /* of caps 3 and 4 */
#endif
#ifndef OWNED
#define OWNED 1 /* the cap whose window begins anew, and whose limit changes */
#endif
#ifndef PIECE
#define PIECE 1 /* answers in one piece: 0 none, 1 some, 2 all */
#endif
#ifndef OVER
#define OVER 0 /* 1: a stream may go on beyond its cap's hold */
#endif
#ifndef TORN
#define TORN 1 /* read of a counter: 0 whole, 1 avail first, 2 last first */
#endif
#ifndef RIVAL
#define RIVAL 0 /* 1: the second worker only holds on cap 1 */
#endif
#ifndef ROLL
#define ROLL 0 /* rollovers of the window of cap OWNED */
#endif
#ifndef RAISE
#define RAISE 0 /* a change of the limit of cap OWNED, by so much */
#endif
#ifndef KILLW
#define KILLW 0 /* kills of workers */
#endif
#ifndef KILLL
#define KILLL 0 /* kills of the writer */
#endif
#ifndef POWER
#define POWER 0 /* power losses */
#endif
#define EACH      3 /* slots of a worker */
#define REQ(w)    ((w) * EACH)
#define ATT(w, i) ((w) * EACH + 1 + (i))
#define OWNER(s)  ((s) / EACH)
#define OWN       (NW * EACH)
#define NS        (OWN + 1)
#define IS_REQ(s) ((s) % EACH == 0 && (s) != OWN)

#define FREE     0
#define ACQ      1
#define BACK     2
#define HELD     3
#define EXT      4 /* not used here, as XBK */
#define XBK      5
#define SETTLED  6
#define DURABLE  7
#define REVERSED 8

#define TAG(s, g, n) ((s) * 32 + (g) * 8 + (n))
#define OP_SLOT(o)   ((o) / 32)
#define OP_GEN(o)    ((o) % 32 / 8)
#define OP_STEP(o)   ((o) % 8)
#define NOTAG        255

#define NC (K + 2)
short avail[NC]; byte last[NC];
byte state[NS], gen[NS], step[NS], mask[NS], ext[NS];
bool sent[NS], unsent[NS];
short cost[NS]; byte deliv[NS];
bool own_limit; /* what the writer's own slot is for */

/* The database: balances, slotgen, number and limit of the window of OWNED. */
short bal[NC], limit;
byte sg_gen[NS]; bool sg_reversed[NS];
byte window;

bool dead[NW], fin[NW], writer_killed;
byte done[NW], kw, kl, pw;

/* Ghosts, which only claims read. */
bool paid[NS], undone[NS], gave_up[NS];
short held[NC], owed[NC], charged[NC];
byte began; /* rollovers that were posted */

#define ALL_FREE(w)                                                            \
	(state[REQ(w)] == FREE && state[ATT(w, 0)] == FREE &&                  \
	 state[ATT(w, 1)] == FREE)
#define FINISHED                                                               \
	(fin[0] && fin[NW - 1] && ALL_FREE(0) && ALL_FREE(NW - 1) &&           \
	 state[OWN] == FREE && window == ROLL && limit == A_OWNED + RAISE)

#if OWNED == 1
#define A_OWNED A1
#elif OWNED == 2
#define A_OWNED A2
#else
#define A_OWNED A3
#endif

/* The first counter of a slot, which for all but attempts is the only one; and
 * the others. */
#define OF(s)       ((s) == OWN -> OWNED : (s) % EACH)
#define OPENING(c)                                                             \
	((c) == 0 -> A0 : ((c) == 1 -> A1 : ((c) == 2 -> A2 : A3)))
#define LIMIT_OF(c) ((c) == OWNED -> limit : OPENING(c))
#if K == 1
#define CTR(s, i)   OF(s)
#define INDEX(s)    0
#define ALL(s)      1
#define MORE(m)     1
#define LESS(m)     0
#else
#define SHARED(i)   ((i) + 2)
#define CTR(s, i)   ((i) == 0 -> OF(s) : SHARED(i))
#define INDEX(s)                                                               \
	(state[s] == ACQ -> (mask[s] > 1 -> K - 1 : mask[s]) :                 \
	 (mask[s] == 7 -> 2 : (mask[s] == 3 -> 1 : 0)))
#define ALL(s)      ((IS_REQ(s) || (s) == OWN) -> 1 : (1 << K) - 1)
#define MORE(m)     ((m) * 2 + 1)
#define LESS(m)     ((m) / 2)
#endif
#define GIVES(s)                                                               \
	((state[s] == BACK || state[s] == DURABLE || state[s] == REVERSED) &&  \
	 mask[s] != 0)
#define PENDING(s)  (GIVES(s) || (state[s] == ACQ && mask[s] != ALL(s)))
#define TOTAL(s, i) 1
#define AMOUNT(s)                                                              \
	((state[s] == REVERSED || (s) == OWN) -> cost[s] : 1 - cost[s])

#define CLAIM(number, e) assert(number && (e))
#define CONSERVED(c)                                                           \
	CLAIM(1, avail[c] >= 0 || RAISE < 0);                                  \
	CLAIM(3, avail[c] + held[c] == bal[c] + owed[c])

#define GONE(s)      (s != OWN && dead[OWNER(s)])
#define LOST(s, x)   (!sent[s] && (unsent[s] || (x)))
#define FREEABLE(s, x) (sent[s] || (LOST(s, x) && cost[s] == 0))
#define REVERSIBLE(s, x) (mask[s] == 0 && LOST(s, x))
#define DURABLE_WORK(s) (mask[s] != 0 || FREEABLE(s, 0) || LOST(s, 0))
#ifdef M_REQONLY
#define REAPED(s) IS_REQ(s)
#else
#define REAPED(s) true
#endif
/* Exact, as in hold.pml. */
#define WORK(s)                                                                \
	(state[s] == SETTLED || state[s] == REVERSED ||                        \
	 (state[s] == DURABLE && DURABLE_WORK(s)) ||                           \
	 (GONE(s) && state[s] != FREE && (REAPED(s) || state[s] == DURABLE)))

inline word_clear(s)
{
	state[s] = FREE; step[s] = 0; mask[s] = 0;
	sent[s] = 0; unsent[s] = 0;
	cost[s] = 0; deliv[s] = 0;
	paid[s] = 0; undone[s] = 0; gave_up[s] = 0
}

inline word_free(s)
{
	CLAIM(5, mask[s] == 0);
	CLAIM(5, ((paid[s] && !undone[s]) -> cost[s] : 0) ==
		 (s == OWN -> cost[s] : deliv[s]));
	word_clear(s);
	gen[s] = gen[s] + 1
}

inline word_lose(s)
{
	word_clear(s);
	gen[s] = 0;
	sg_gen[s] = 0; sg_reversed[s] = 0
}

/* Scratch variables go back to 0, so that equal states are seen as equal. */
#define FORGET v = 0; a = 0; o = 0; c = 0; n = 0; g = 0; ok = false

#include "steps.pml"

inline refuse(s)
{
#ifdef W_HALF
	/* Something of it has been taken. */
	CLAIM(14, mask[s] == 0);
#endif
	state[s] = BACK;
#if K > 1 && !defined(M_REFUSEDKEEPS)
	do
	:: GIVES(s) -> give(s)
	:: else -> break
	od;
	skip;
#endif
	d_step { word_free(s) }
}

/* The hold of slot s on all of its counters; `ok`: it was granted. */
inline hold(s)
{
	d_step { state[s] == FREE -> state[s] = ACQ };
	take(s);
#if K > 1
	do
#ifdef M_FIRSTTAKEN
	:: else -> break
#else
	:: ok && PENDING(s) -> take(s)
	:: else -> break
#endif
	od;
#endif
	if
	:: !ok -> refuse(s)
	:: else -> d_step { state[s] = HELD }
	fi
}

/*
 * Settle: the cost, then the word. From the word on `deliv`, which was for the
 * reaper, is the owner's claim of what is to be charged at the end.
 */
inline settle(s, amount, whole)
{
	cost[s] = amount;
	d_step {
		state[s] = SETTLED;
		sent[s] = whole;
		deliv[s] = (whole -> cost[s] : 0)
	}
}

/* What the operator owes for attempt t so far; its hold bounds the cost. */
#define BOUND(x) ((x) > 1 -> 1 : (x))

inline meter(t)
{
	deliv[t] = 1;
#if OVER
	if :: skip :: deliv[t] = 2 fi
#endif
}

/* The attempt at slot t is lost; the next channel is another slot's. */
inline attempt_lost(t)
{
	if
	:: skip
	:: meter(t)
	fi;
#ifdef M_KEEPCAP
	skip
#elif defined(M_GIVETWICE)
	if
	:: settle(t, 0, 1)
	:: settle(t, BOUND(deliv[t]), 1)
	fi;
	d_step { avail[OF(t)] = avail[OF(t)] + 1 }
#elif defined(M_BACKUNPOSTED)
	if
	:: settle(t, 0, 1)
	:: d_step { deliv[t] != 0 -> deliv[t] = 1 };
		state[t] = BACK;
		give(t);
		d_step { word_free(t) }
	fi
#else
	if
	:: settle(t, 0, 1)
	:: settle(t, BOUND(deliv[t]), 1)
	fi
#endif
}

#ifdef M_ATTUNSENT
#define ATT_SENT 0
#else
#define ATT_SENT 1
#endif

inline attempt_won(t)
{
	settle(t, BOUND(deliv[t]), ATT_SENT)
}

/* With nothing left to give back the word is the owner's alone. */
#define LEFT_TO_OWNER(s) (state[s] == DURABLE && mask[s] == 0)

inline say_sent(s)
{
	if
	:: d_step {
		LEFT_TO_OWNER(s) ->
		CLAIM(11, !sent[s] && !unsent[s]);
		deliv[s] = cost[s];
		word_free(s)
	   }
	:: d_step {
		!LEFT_TO_OWNER(s) ->
		sent[s] = 1;
		deliv[s] = cost[s]
	   }
	fi
}

inline say_unsent(s)
{
	d_step { unsent[s] = 1; gave_up[s] = 1 }
}

/* The attempt at slot t answers. */
inline answer(w, t)
{
	meter(t);
	if
#if PIECE < 2
	/* Streamed; the client may be gone before it took anything. */
	:: if :: skip :: deliv[REQ(w)] = 1 fi;
		settle(REQ(w), deliv[REQ(w)], 1);
		attempt_won(t)
#endif
#if PIECE > 0
	:: settle(REQ(w), 1, 0);
		attempt_won(t);
		if
		:: say_unsent(REQ(w))
		:: state[REQ(w)] == DURABLE ->
			CLAIM(9, paid[REQ(w)]);
			if
			:: say_sent(REQ(w))
			:: say_unsent(REQ(w))
			fi
		fi
#endif
	fi
}

/* The attempts at one channel after the other, while the request is HELD. */
inline attempts(w)
{
	i = 0;
	do
	:: i < 2 ->
		CLAIM(12, state[REQ(w)] == HELD);
		hold(ATT(w, i));
		if
		:: !ok -> i = i + 1
		:: else ->
			ok = false;
			if
			:: attempt_lost(ATT(w, i)); i = i + 1
			:: answer(w, ATT(w, i)); break
			fi
		fi
	:: else ->
		settle(REQ(w), 0, 1);
		break
	od
}

#ifdef M_ROWEARLY
#define ROW_FREE(w) (state[REQ(w)] == FREE)
#else
#define ROW_FREE(w) ALL_FREE(w)
#endif

proctype Worker(byte w)
{
	short v, a;
	byte o, c, n, g, i;
	bool ok;
again:
	{
		do
#if RIVAL
		:: done[w] < NR && w == 1 ->
			hold(ATT(1, 0));
			if
			:: ok -> ok = false; attempt_lost(ATT(1, 0))
			:: else
			fi;
			skip;
			d_step { done[w] = done[w] + 1; ok = false }
		:: done[w] < NR && w == 0 ->
#else
		:: done[w] < NR ->
#endif
			hold(REQ(w));
			if
			:: ok -> attempts(w)
			:: else
			fi;
			skip;
			d_step { done[w] = done[w] + 1; i = 0; ok = false }
		:: else -> break
		od;
		fin[w] = true;
		goto out
	} unless { dead[w] };
	(ROW_FREE(w));
	d_step { dead[w] = false; i = 0; FORGET };
	goto again;
out:
	skip
}

#ifdef M_REAPOVER
#define REAP_COST(s) deliv[s]
#else
#define REAP_COST(s) BOUND(deliv[s])
#endif

/* As in hold.pml: the word, the counter, then the word against the first. */
inline reap(s)
{
	d_step { n = step[s]; c = CTR(s, INDEX(s)) };
	o = last[c];
	d_step {
		if
		:: step[s] != n -> skip
		:: PENDING(s) && o == TAG(s, gen[s], n + 1) && step[s] == n ->
			word_next(s)
		:: else ->
			if
			:: state[s] == ACQ && mask[s] == 0 -> word_free(s)
			:: state[s] == ACQ && mask[s] != 0 -> state[s] = BACK
#ifdef M_REAPBACK
			:: state[s] == HELD && !IS_REQ(s) -> state[s] = BACK
#endif
			:: else ->
				cost[s] = REAP_COST(s);
				deliv[s] = BOUND(deliv[s]);
				sent[s] = 1;
				state[s] = SETTLED
			fi
		fi;
		o = 0; c = 0; n = 0
	}
}

/* Not rules: situations that the searches go through, see hold.pml. */
#ifdef W_CAPOVER
#define SEEN_OVER                                                              \
	(!own_limit -> avail[OWNED] + cost[OWN] == limit : true)
#else
#define SEEN_OVER true
#endif
#ifdef W_APART
/* The request is over and free, its attempt still to be committed. */
#define SEEN_APART(s) !(s % EACH == 1 && state[s - 1] == FREE)
#else
#define SEEN_APART(s) true
#endif

#ifdef M_CUSTOMER
#define POSTED_TO(s) 0
#else
#define POSTED_TO(s) OF(s)
#endif

/* One counter of a settled slot. */
inline post(at, whose, amount)
{
	bal[at] = bal[at] - amount;
	owed[at] = owed[at] + amount;
	charged[whose] = charged[whose] + amount
}

#define POSTED(c)                                                              \
	CLAIM(6, bal[c] >= 0 || RAISE < 0);                                    \
	CLAIM(13, bal[c] == LIMIT_OF(c) - charged[c])

/* The transaction of a settled slot of a worker: all of its counters. */
inline commit(s)
{
	d_step {
		if
		:: sg_gen[s] < gen[s] + 1 ->
			sg_gen[s] = gen[s] + 1;
			sg_reversed[s] = false;
			CLAIM(2, !paid[s]);
			paid[s] = true;
			post(POSTED_TO(s), OF(s), cost[s]);
#if K > 1 && !defined(M_POSTFIRST)
			if
			:: !IS_REQ(s) ->
				post(3, 3, cost[s]);
				POSTED(3);
#if K > 2
				post(4, 4, cost[s]);
				POSTED(4);
#endif
				skip
			:: else
			fi;
#endif
#ifdef M_WONTWICE
			/* The winner's cost is in the request's entry, too. */
			if
			:: IS_REQ(s) ->
				bal[1] = bal[1] - cost[s];
				owed[1] = owed[1] + cost[s]
			:: else
			fi;
#endif
			POSTED(OF(s))
		:: else
		fi
	}
}

/*
 * The transaction of the writer's own slot. A rollover takes the limit that
 * is wanted now; a change of the limit leaves spent what was spent.
 */
inline commit_own()
{
	d_step {
		sg_gen[OWN] = gen[OWN] + 1;
		CLAIM(2, !paid[OWN]);
		paid[OWN] = true;
		if
		:: own_limit ->
#ifdef M_CAPSET
			cost[OWN] = A_OWNED + RAISE - bal[OWNED];
#else
			cost[OWN] = A_OWNED + RAISE - limit;
#endif
#ifndef M_LIMITLATE
			limit = A_OWNED + RAISE
#endif
		:: else ->
			cost[OWN] = A_OWNED + RAISE - bal[OWNED];
			limit = A_OWNED + RAISE;
#ifndef M_WINDOWLATE
			window = window + 1;
#endif
			charged[OWNED] = 0;
			began = began + 1;
			CLAIM(7, began <= ROLL)
		fi;
		bal[OWNED] = bal[OWNED] + cost[OWN];
		owed[OWNED] = owed[OWNED] - cost[OWN];
#ifndef M_LIMITLATE
		CLAIM(13, bal[OWNED] == limit - charged[OWNED]);
#endif
		CLAIM(14, SEEN_OVER)
	}
}

/* The transaction of a reversal; `g` is the generation of the decision. */
inline reverse(s)
{
	d_step {
		if
		:: !sg_reversed[s] ->
			CLAIM(2, sg_gen[s] == g + 1 && paid[s] && !undone[s]);
			CLAIM(8, gen[s] == g && state[s] == DURABLE);
			CLAIM(8, dead[OWNER(s)] || gave_up[s]);
			CLAIM(5, deliv[s] == 0);
			sg_reversed[s] = true;
			undone[s] = true;
			bal[OF(s)] = bal[OF(s)] + cost[s];
			owed[OF(s)] = owed[OF(s)] - cost[s];
			charged[OF(s)] = charged[OF(s)] - cost[s];
#ifdef M_UNDOCAP
			/* The attempt goes the way of its request. */
			bal[1] = bal[1] + cost[s + 1];
			owed[1] = owed[1] - cost[s + 1];
#endif
			CLAIM(13, bal[OF(s)] == LIMIT_OF(OF(s)) -
						charged[OF(s)])
		:: else
		fi
	};
	d_step { state[s] = REVERSED; mask[s] = 1 }
}

/* What slot s still has of its counter, by its word and `last` alone. */
#define UNCONFIRMED(s, i) (last[CTR(s, i)] == TAG(s, gen[s], step[s] + 1))
#define SHARE(s)                                                               \
	(state[s] == REVERSED -> cost[s] :                                     \
	 (state[s] == DURABLE -> 1 - cost[s] : 1))
#define OPEN(s, i)                                                             \
	(((mask[s] >> (i)) & 1) * SHARE(s) +                                   \
	 (UNCONFIRMED(s, i) -> (state[s] == ACQ -> 1 : -SHARE(s)) : 0))
#define OWN_OPEN(c)                                                            \
	((c) == OWNED && state[OWN] == DURABLE && mask[OWN] != 0 &&            \
	 !UNCONFIRMED(OWN, 0) -> cost[OWN] : 0)
#define UNMARKED(s)                                                            \
	((state[s] == SETTLED && sg_gen[s] == gen[s] + 1) ||                   \
	 (state[s] == DURABLE && undone[s]))
#define MARKED(w)                                                              \
	(!UNMARKED(REQ(w)) && !UNMARKED(ATT(w, 0)) && !UNMARKED(ATT(w, 1)))
#ifdef NOAUDIT
#define AUDIT skip
#else
#define OPEN_OF(w, a, i) (NW > w -> OPEN(ATT((w) % NW, a), i) : 0)
/* Of a cap that is on one channel, and of one that both have. */
#define OPEN_AT(a, i)    (OPEN_OF(0, a, i) + OPEN_OF(1, a, i))
#define OPEN_SHARED(i)   (OPEN_AT(0, i) + OPEN_AT(1, i))
#if K == 1
#define AUDIT_SHARED skip
#elif K == 2
#define AUDIT_SHARED                                                           \
	CLAIM(10, avail[3] + OPEN_SHARED(1) + OWN_OPEN(3) == bal[3])
#else
#define AUDIT_SHARED                                                           \
	CLAIM(10, avail[3] + OPEN_SHARED(1) + OWN_OPEN(3) == bal[3]);          \
	CLAIM(10, avail[4] + OPEN_SHARED(2) + OWN_OPEN(4) == bal[4])
#endif
#define AUDIT                                                                  \
	CLAIM(10, avail[0] + OPEN(REQ(0), 0) +                                 \
			  (NW > 1 -> OPEN(REQ(NW - 1), 0) : 0) == bal[0]);     \
	CLAIM(10, avail[1] + OPEN_AT(0, 0) + OWN_OPEN(1) == bal[1]);           \
	CLAIM(10, avail[2] + OPEN_AT(1, 0) + OWN_OPEN(2) == bal[2]);           \
	AUDIT_SHARED
#endif

#define AT_REST(c)                                                             \
	CLAIM(4, avail[c] == bal[c] && bal[c] == LIMIT_OF(c) - charged[c]);    \
	CLAIM(4, held[c] == 0 && owed[c] == 0)

#define LOOK(t) d_step { WORK(t) -> s = t; x = GONE(t) }

proctype Writer()
{
	short v, a;
	byte s, o, c, n, g;
	bool ok, x, mine; /* mine: this writer has claimed the own slot */
again:
	{
		do
		:: if
		   :: LOOK(0)
		   :: LOOK(1)
		   :: LOOK(2)
#if NW > 1
		   :: LOOK(3)
		   :: LOOK(4)
		   :: LOOK(5)
#endif
		   :: d_step { state[OWN] != FREE -> s = OWN }
#if ROLL
		   :: d_step {
			window < ROLL && state[OWN] == FREE && gen[OWN] < 4 ->
			state[OWN] = SETTLED; sent[OWN] = 1; mask[OWN] = 1;
			own_limit = 0; mine = true; s = OWN
		      }
#endif
#if RAISE
		   :: d_step {
			limit != A_OWNED + RAISE && state[OWN] == FREE &&
			gen[OWN] < 4 ->
			state[OWN] = SETTLED; sent[OWN] = 1; mask[OWN] = 1;
			own_limit = 1; mine = true; s = OWN
		      }
#endif
		   :: FINISHED -> goto finish
		   fi;
		   if
		   :: x && REAPED(s) && (state[s] == ACQ || state[s] == HELD) ->
			reap(s)
		   :: x && REAPED(s) && state[s] == BACK && mask[s] != 0 ->
			give(s)
		   :: x && REAPED(s) && state[s] == BACK && mask[s] == 0 ->
			d_step { word_free(s) }
		   :: s != OWN && state[s] == SETTLED ->
			CLAIM(14, SEEN_APART(s));
			commit(s);
			d_step { state[s] = DURABLE }
		   :: s == OWN && state[s] == SETTLED && mine ->
			commit_own();
			d_step { state[s] = DURABLE }
#ifdef M_WINDOWLATE
			;
			if
			:: own_limit
			:: else -> d_step { window = window + 1 }
			fi
#endif
#ifdef M_LIMITLATE
			;
			limit = A_OWNED + RAISE
#endif
		   /* Of a writer before: posted, or void and still due. */
		   :: s == OWN && state[s] == SETTLED && !mine ->
			d_step {
				if
#ifndef M_VOIDPOSTED
				:: sg_gen[OWN] == gen[OWN] + 1 -> skip
#endif
				:: else -> cost[OWN] = 0; paid[OWN] = true
				fi
			};
			d_step { state[s] = DURABLE }
		   :: GIVES(s) && (state[s] == DURABLE || state[s] == REVERSED)
			-> give(s)
#ifdef M_REQUESTSTOO
			;
			/* With the request's money the cap comes back. */
			if
			:: IS_REQ(s) -> d_step { avail[1] = avail[1] + 1 }
			:: else
			fi
#endif
		   :: d_step {
			state[s] == DURABLE && mask[s] == 0 &&
			FREEABLE(s, x) ->
			word_free(s);
			if :: s == OWN -> mine = false :: else fi
		      }
		   :: d_step {
			state[s] == DURABLE && REVERSIBLE(s, x) && cost[s] != 0 ->
			g = gen[s]
		      };
			reverse(s)
		   :: state[s] == REVERSED && mask[s] == 0 ->
			d_step { word_free(s) }
		   :: else -> skip
		   fi;
		   d_step {
			FORGET;
			s = 0;
			x = false;
			if
			:: MARKED(0) && MARKED(NW - 1) && !UNMARKED(OWN) ->
				AUDIT
			:: else
			fi
		   }
		od
	} unless { writer_killed };
	d_step { writer_killed = false; FORGET; s = 0; x = false; mine = false };
	goto again;
finish:
	skip;
	d_step {
		AT_REST(0);
		AT_REST(1);
#if K > 1
		AT_REST(3);
#endif
#if K > 2
		AT_REST(4);
#endif
		AT_REST(2)
	}
}

#define COLD(c)                                                                \
	avail[c] = bal[c]; last[c] = NOTAG; held[c] = 0; owed[c] = 0

proctype Chaos()
{
	do
#if KILLW > 0
	:: d_step { kw < KILLW && !fin[0] && !dead[0] -> kw++; dead[0] = true }
#if NW > 1
	:: d_step { kw < KILLW && !fin[1] && !dead[1] -> kw++; dead[1] = true }
#endif
#endif
#if KILLL > 0
	:: d_step {
		kl < KILLL && !writer_killed && !FINISHED ->
		kl++;
		writer_killed = true
	   }
#endif
#if POWER > 0
	:: d_step {
		pw < POWER && !FINISHED ->
		pw++;
		COLD(0); COLD(1); COLD(2);
#if K > 1
		COLD(3);
#endif
#if K > 2
		COLD(4);
#endif
		own_limit = 0;
		word_lose(REQ(0)); word_lose(ATT(0, 0)); word_lose(ATT(0, 1));
		dead[0] = !fin[0];
#if NW > 1
		word_lose(REQ(1)); word_lose(ATT(1, 0)); word_lose(ATT(1, 1));
		dead[1] = !fin[1];
#endif
		word_lose(OWN);
		writer_killed = true
	   }
#endif
	:: FINISHED -> break
	od
}

#ifdef LIVE
ltl ends { <> FINISHED }
#endif

#define BEGIN(c) avail[c] = OPENING(c); bal[c] = OPENING(c); last[c] = NOTAG

init {
	d_step {
		BEGIN(0); BEGIN(1); BEGIN(2);
#if K > 1
		BEGIN(3);
#endif
#if K > 2
		BEGIN(4);
#endif
		limit = A_OWNED
	};
	atomic {
		run Writer();
		run Worker(0);
#if NW > 1
		run Worker(1);
#endif
		run Chaos()
	};
end_init:
	false
}
